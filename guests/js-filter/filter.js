// A guest in JavaScript: paid orders go on with a tidy note, large ones also to the route `out` as a message of their own.
//
// Built with componentize-js, which puts SpiderMonkey into the file:
//
//     npm install @bytecodealliance/componentize-js
//     npx componentize-js filter.js --wit sluicegate.wit --world-name json --out orders.wasm \
//       --disable stdio random clocks http fetch-event
//
// `sluicegate.wit` is in the folder `wit` of the repository; `JSON.md` beside it says what rows and verdicts look like. Below the line is
// what every guest needs, above it what this one is about.

const MANIFEST = {
  name: "js-filter",
  version: "0.1.0",
  subscriptions: [{ table: "public.orders", columns: ["id", "customer_id", "status", "note", "total"] }],
  routes: ["out"],
};

let keep, large;

// What is costly is made once. An error keeps the guest from being used, with its text.
function start(config) {
  keep = config.keep ?? "paid";
  large = Number(config.large ?? "1000");
  if (Number.isNaN(large)) throw new Error("config `large` is no number");
}

function judgeRow({ op, row }) {
  if (op === "delete" || op === "truncate" || row.status !== keep) return "drop";
  if (row.customer_id === null) {
    return { reject: { code: "no-customer", message: `order ${row.id} has no customer` } };
  }
  if (row.total !== null && Number(row.total) >= large) {
    return { emit: [{ route: "out", member: row.customer_id, body: { order: row.id, large: true } }] };
  }
  // A large value that an update did not touch is not in the row.
  if (row.note != null) return { set: { note: row.note.trim() } };
  return "pass";
}

// ------------------------------------------------------------------------------------------------------------------------------

// A mistake costs its own row: without this, the whole call would be run again row by row.
function judged(change) {
  try {
    return judgeRow(change);
  } catch (error) {
    return { reject: { code: "javascript", message: String(error) } };
  }
}

export function describe() {
  return JSON.stringify(MANIFEST);
}

export function init(config) {
  try {
    start(JSON.parse(config));
  } catch (error) {
    throw String(error);
  }
}

export function judge(rows) {
  return JSON.stringify(JSON.parse(rows).map(judged));
}
