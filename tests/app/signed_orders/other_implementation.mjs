// The carrier's side of docs/signed-orders.md, written from that page and the JSON Schemas alone, with Node 18 or newer.
//
// node other_implementation.mjs FOLDER: verifies order.json by police.jwk, makes a result of rows.json, signs it by
// own.jwk into good.json, proves to have own.jwk in public.jwk, and writes results that nobody may take into bad-*.json.
import crypto from "node:crypto";
import fs from "node:fs";
import path from "node:path";
import { fileURLToPath } from "node:url";

const SCHEMAS = path.resolve(path.dirname(fileURLToPath(import.meta.url)), "../../../docs/schemas");
const COUNTS = ["eligible", "excluded", "sent", "received", "failed", "no_receipt"];
const refuse = (sentence) => { throw new Error(sentence); };

// --- canonical JSON, base64url, keys
function canonical(value) {
  if (Array.isArray(value)) return `[${value.map(canonical).join(",")}]`;
  if (value && typeof value === "object")
    return `{${Object.keys(value).sort().map((name) => `${JSON.stringify(name)}:${canonical(value[name])}`).join(",")}}`;
  if (typeof value === "number" && !Number.isSafeInteger(value)) refuse("Numbers must be whole.");
  if (typeof value === "string" && (/\p{Surrogate}/u.test(value) || /(?![\n\t])\p{Cc}/u.test(value)))
    refuse("A text has a control character or half a character.");
  return JSON.stringify(value);
}
const b64 = (bytes) => Buffer.from(bytes).toString("base64url");
function unb64(text) {
  const bytes = Buffer.from(text, "base64url");
  return b64(bytes) === text ? bytes : refuse("Not base64url without padding.");
}
const sha256 = (bytes) => crypto.createHash("sha256").update(bytes).digest("hex");
function thumbprint(jwk) {
  return crypto.createHash("sha256").update(`{"crv":"Ed25519","kty":"OKP","x":"${jwk.x}"}`).digest("base64url");
}
const publicJwk = ({ kty, crv, x }) => ({ kty, crv, x });
function utf8(bytes) {
  return new TextDecoder("utf-8", { fatal: true, ignoreBOM: true }).decode(bytes);
}
// Parse JSON in which no object may have a name twice (JSON.parse keeps the last one silently).
function strictParse(text) {
  const value = JSON.parse(text);
  const names = (part) => part && typeof part === "object"
    ? Object.values(part).reduce((sum, inner) => sum + names(inner), Array.isArray(part) ? 0 : Object.keys(part).length) : 0;
  const written = (text.match(/"(?:[^"\\]|\\.)*"\s*:?/gs) ?? []).filter((token) => token.endsWith(":")).length;
  return names(value) === written ? value : refuse("A name is given twice.");
}
function fields(value, names) {
  if (!value || typeof value !== "object" || Object.keys(value).sort().join() !== [...names].sort().join())
    refuse(`The fields must be ${names.join(", ")}.`);
}

// --- envelope
function sign(payload, privateJwk, header = {}) {
  const head = b64(canonical({ alg: "EdDSA", kid: thumbprint(privateJwk), typ: "loa-result/1", ...header })), body = b64(payload);
  const key = crypto.createPrivateKey({ key: privateJwk, format: "jwk" });
  return { payload: body, signatures: [{ protected: head, signature: b64(crypto.sign(null, Buffer.from(`${head}.${body}`), key)) }] };
}
function open(bytes, format, trusted) {
  if (bytes.length > 1048576) refuse("The document is larger than 1,048,576 bytes.");
  const envelope = strictParse(utf8(bytes));
  fields(envelope, ["payload", "signatures"]);
  const list = envelope.signatures;
  if (!Array.isArray(list) || list.length < 1 || list.length > 10) refuse("There must be 1 to 10 signatures.");
  const keys = new Map(trusted.map((jwk) => [thumbprint(jwk), publicJwk(jwk)]));
  const seen = new Set(), signers = [];
  for (const entry of list) {
    fields(entry, ["protected", "signature"]);
    const header = strictParse(utf8(unb64(entry.protected)));
    fields(header, ["alg", "kid", "typ"]);
    if (header.alg !== "EdDSA") refuse("alg must be EdDSA.");
    if (header.typ !== format) refuse(`typ must be ${format}.`);
    if (typeof header.kid !== "string" || seen.has(header.kid)) refuse("kid must be the name of a key that has not signed yet.");
    seen.add(header.kid);
    const signature = unb64(entry.signature);
    if (unb64(header.kid).length !== 32) refuse("kid must be a thumbprint.");
    if (signature.length !== 64) refuse("A signature must have 64 bytes.");
    if (!keys.has(header.kid)) continue;
    const key = crypto.createPublicKey({ key: keys.get(header.kid), format: "jwk" });
    if (!crypto.verify(null, Buffer.from(`${entry.protected}.${envelope.payload}`), key, signature)) refuse("A signature is wrong.");
    signers.push(header.kid);
  }
  if (!signers.length) refuse("No signature is by a trusted key.");
  const payload = unb64(envelope.payload), value = JSON.parse(utf8(payload));
  if (canonical(value) !== utf8(payload)) refuse("The payload is not canonical JSON.");
  if (value.format !== format) refuse(`format must be ${format}.`);
  validate(value, JSON.parse(fs.readFileSync(path.join(SCHEMAS, `${format.replace("/", "-")}.schema.json`))), format);
  return { value, sha256: sha256(payload), signers };
}

// --- the part of JSON Schema that the two schemas use
function validate(value, schema, where) {
  const type = value === null ? "null" : Array.isArray(value) ? "array" : Number.isInteger(value) ? "integer" : typeof value;
  if (schema.type && ![schema.type].flat().includes(type)) refuse(`${where} must not be ${type}.`);
  if (schema.enum && !schema.enum.includes(value)) refuse(`${where} must be one of ${schema.enum.join(", ")}.`);
  if (type === "string") {
    if (schema.pattern && !new RegExp(schema.pattern, "u").test(value)) refuse(`${where} must match ${schema.pattern}.`);
    if (schema.pattern?.includes("T[0-9]") && new Date(value).toISOString().replace(".000", "") !== value) refuse(`${where} is no time.`);
    if ([...value].length < (schema.minLength ?? 0) || [...value].length > (schema.maxLength ?? Infinity)) refuse(`${where} has the wrong length.`);
  }
  if (type === "integer" && (value < (schema.minimum ?? -Infinity) || value > (schema.maximum ?? Infinity))) refuse(`${where} is out of range.`);
  if (type === "array") {
    if (value.length < (schema.minItems ?? 0) || value.length > (schema.maxItems ?? Infinity)) refuse(`${where} has the wrong length.`);
    value.forEach((item, index) => validate(item, schema.items ?? {}, `${where}[${index}]`));
  }
  if (type === "object") {
    fields(value, schema.required);
    for (const name of schema.required) validate(value[name], schema.properties[name], `${where}.${name}`);
  }
}

// --- order
function readOrder(bytes, policeKeys, carrier, now = new Date()) {
  const order = open(bytes, "loa-order/1", policeKeys), { kind, content, replaces, reason } = order.value;
  if (order.value.carrier !== carrier) refuse(`The order is for ${order.value.carrier}.`);
  if ((kind === "withdrawal") !== (content === null)) refuse("An order has content and a withdrawal none.");
  if (kind === "withdrawal" && !replaces) refuse("A withdrawal names the order.");
  if (replaces ? !reason : reason) refuse("A reason goes with replaces.");
  if (!content) return order;
  for (const text of content.texts) if (sha256(Buffer.from(text.text)) !== text.sha256) refuse("A text differs from its sha256.");
  if (new Set(content.areas.map((area) => area.code)).size !== content.areas.length) refuse("An area is given twice.");
  if (now > new Date(content.valid_until)) refuse("The order is no longer valid.");
  return order;
}

// --- result
const isSmall = (row) => COUNTS.some((name) => row[name] >= 1 && row[name] <= 4);
const add = (rows) => Object.fromEntries(COUNTS.map((name) =>
  [name, rows.some((row) => row[name] === null) ? null : rows.reduce((sum, row) => sum + row[name], 0)]));
function withhold(rows) {
  const byCode = (left, right) => (left.area < right.area ? -1 : 1);
  const shown = rows.filter((row) => !isSmall(row)), hidden = rows.filter(isSmall);
  shown.sort((left, right) => left.eligible - right.eligible || byCode(left, right));
  while (hidden.length && shown.length && isSmall(add(hidden))) hidden.push(shown.shift());
  const merged = hidden.length ? [{ area: "*", ...add(hidden) }] : [];
  return { rows: [...shown, ...merged].sort(byCode), areas: hidden.map((row) => row.area).sort() };
}
// `rows` has one {area, the six counts} for each area; `facts` what else there is to tell.
function makeResult(order, rows, facts) {
  const kept = withhold(rows);
  return {
    format: "loa-result/1", order: { number: order.value.number, sha256: order.sha256 }, carrier: order.value.carrier,
    version: 1, changes: "", final: false, proves: "operator", parts: null, remarks: "", excluded: [], failed: [],
    ...facts, totals: add(rows), areas: kept.rows, withheld: { rule: "fewer-than-5", areas: kept.areas },
  };
}

// --- what the test looks at
function bad(good, rows, own) {
  const text = canonical(good), signed = sign(text, own), outer = JSON.stringify(signed);
  const changed = (change) => sign(canonical(change(structuredClone(good))), own);
  const without = { ...good, areas: withhold(rows.slice(1)).rows, totals: add(rows.slice(1)) };
  return {
    altered: { ...signed, payload: b64(canonical({ ...good, remarks: "khác" })) },
    "altered-figure": { ...signed, payload: b64(canonical({ ...good, parts: 1 })) },
    unsorted: sign(JSON.stringify(good), own),
    fraction: sign(text.replace('"version":1', '"version":1.0'), own),
    exponent: sign(text.replace('"version":1', '"version":1e0'), own),
    twice: sign(text.replace('"version":1', '"version":1,"version":1'), own),
    mark: sign(`\ufeff${text}`, own),
    padding: outer.replace(/"signature":"[^"]*/, "$&=="),
    none: sign(text, own, { alg: "none" }),
    crit: sign(text, own, { crit: ["b64"], b64: false }),
    stranger: sign(text, crypto.generateKeyPairSync("ed25519").privateKey.export({ format: "jwk" })),
    order: changed((result) => ({ ...result, order: { ...result.order, sha256: sha256("") } })),
    sums: changed((result) => ({ ...result, totals: { ...result.totals, received: result.totals.received + 1 } })),
    phone: changed((result) => ({ ...result, remarks: "gọi 0912.345.678" })),
    small: changed((result) => ({ ...result, areas: rows, withheld: { ...result.withheld, areas: [] } })),
    area: changed(() => ({ ...without, parts: null })),
    future: changed((result) => ({ ...result, made_at: "2999-01-01T00:00:00Z" })),
    unbegun: changed((result) => ({ ...result, began_at: null })),
  };
}
const folder = process.argv[2], file = (name) => path.join(folder, name), json = (name) => JSON.parse(fs.readFileSync(file(name)));
const now = new Date().toISOString().replace(/\.\d+/, "");
const order = readOrder(fs.readFileSync(file("order.json")), [json("police.jwk")], "vnpt"), rows = json("rows.json"), own = json("own.jwk");
const good = makeResult(order, rows, { final: true, made_at: now, began_at: now, ended_at: now, cutoff_at: now, parts: add(rows).sent });
const claim = `loa-key/1.vnpt.${thumbprint(own)}`, secret = crypto.createPrivateKey({ key: own, format: "jwk" });
const proof = crypto.sign(null, Buffer.from(claim, "ascii"), secret).toString("base64url");
fs.writeFileSync(file("public.jwk"), JSON.stringify({ kty: "OKP", crv: "Ed25519", x: own.x, proof }));
fs.writeFileSync(file("good.json"), JSON.stringify(sign(canonical(good), own)));
for (const [name, document] of Object.entries(bad(good, rows, own)))
  fs.writeFileSync(file(`bad-${name}.json`), typeof document === "string" ? document : JSON.stringify(document));
