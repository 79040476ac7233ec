// A client by node-smpp: node client.js PORT COUNT. Sends, waits for each receipt, unbinds, prints JSON.
'use strict';
const smpp = require('smpp');
const count = Number(process.argv[3]);
const seen = { accepted: 0, refused: 0, receipts: 0, delivered: 0, strange: 0 };
const ids = new Set();
const session = smpp.connect({ url: `smpp://127.0.0.1:${process.argv[2]}` }, () => {
  session.bind_transceiver({ system_id: 'loa', password: 'x' }, (bound) => {
    if (bound.command_status !== 0) { console.log(JSON.stringify(bound)); process.exit(1); }
    for (let n = 0; n < count; n += 1) {
      session.submit_sm({
        source_addr_ton: 5, source_addr: 'CA SONLA', destination_addr: `8497${String(n).padStart(7, '0')}`,
        registered_delivery: 1, short_message: n % 2 ? 'Canh giac lua dao' : 'Cảnh giác lừa đảo',
      }, (answer) => {
        if (answer.command_status === 0) { seen.accepted += 1; ids.add(answer.message_id); } else { seen.refused += 1; }
      });
    }
  });
});
session.on('error', (error) => { console.error(String(error)); process.exit(2); });
session.on('deliver_sm', (pdu) => {
  session.send(pdu.response());
  seen.receipts += 1;
  const text = String(pdu.short_message.message);
  if (/stat:DELIVRD/.test(text)) { seen.delivered += 1; }
  if (!ids.has((/id:(\S+)/.exec(text) || [])[1])) { seen.strange += 1; }
  if (seen.receipts === count) {
    session.unbind(() => { console.log(JSON.stringify(seen)); process.exit(0); });
  }
});
setTimeout(() => { console.log(JSON.stringify(seen)); process.exit(3); }, 60000);
