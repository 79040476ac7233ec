// A message centre by node-smpp: node centre.js PORT. Prints what it has seen, as JSON, when its input ends.
'use strict';
const smpp = require('smpp');
const copies = new Map();
const seen = { submits: 0, receipts: 0, acknowledged: 0, binds: 0, cut: 0, errors: 0 };
const texts = new Set();
let next = 0;

function receipt(session, id, pdu) {
  const at = new Date().toISOString().replace(/\D/g, '').slice(2, 12);
  seen.receipts += 1;
  session.deliver_sm({
    source_addr: pdu.destination_addr,
    destination_addr: pdu.source_addr,
    esm_class: 4,
    short_message: `id:${id} sub:001 dlvrd:001 submit date:${at} done date:${at} stat:DELIVRD err:000 text:`,
    receipted_message_id: id,
  }, () => { seen.acknowledged += 1; });
}

const server = smpp.createServer((session) => {
  seen.binds += 1;
  session.on('error', () => { seen.errors += 1; });
  session.on('bind_transceiver', (pdu) => session.send(pdu.response()));
  session.on('enquire_link', (pdu) => session.send(pdu.response()));
  session.on('unbind', (pdu) => { session.send(pdu.response()); session.close(); });
  session.on('submit_sm', (pdu) => {
    seen.submits += 1;
    texts.add(`${pdu.data_coding} ${pdu.short_message.message}`);
    if (seen.submits % 97 === 0) {
      session.send(pdu.response({ command_status: smpp.ESME_RTHROTTLED }));
      return;
    }
    const id = String(next += 1);
    copies.set(pdu.destination_addr, (copies.get(pdu.destination_addr) || 0) + 1);
    session.send(pdu.response({ message_id: id }));
    setTimeout(() => receipt(session, id, pdu), 20);
  });
});
server.on('error', () => {});
server.listen(Number(process.argv[2]), '127.0.0.1', () => console.log('ready'));
process.stdin.resume();
process.stdin.on('end', () => {
  const most = Math.max(0, ...copies.values());
  console.log(JSON.stringify({ ...seen, numbers: copies.size, most, texts: [...texts] }));
  process.exit(0);
});
