// Has the running ledger and the peers deal with each other, in both directions. One line for each check.

import { setTimeout as pause } from "node:timers/promises";

const { LEDGER, ALICE_TOKEN, ADMIN_TOKEN } = process.env;
const is = (expected) => (body) => body === expected;

// library: what checks the ledger's calls and signs answers     signers: what signs notifications
// price: as the provider is asked for it                        part: what is refunded first, the rest second
const providers = {
  alipay: { library: "alipay-sdk", price: 1000, part: "4.00", signsAnswers: true, accepts: is("success") },
  wechat: { library: "wechatpay-axios-plugin", price: 1000, part: "4.00", signsAnswers: true, accepts: () => true },
  antom: {
    library: "global-open-sdk-python",
    price: { currency: "USD", value: "140" },
    part: "0.40",
    signsAnswers: true,
    accepts: (body) => JSON.parse(body).result.resultStatus === "S",
  },
  crossmint: {
    library: "the check of the API key",
    signers: ["svix", "standardwebhooks"],
    price: "1.40",
    refunds: false,
    accepts: () => true,
  },
  creem: { library: "the check of the API key", signers: ["@creem_io/webhook-types"], price: 140, accepts: () => true },
  linuxdo_credit: { library: "md5sum", price: "10.00", accepts: is("success") },
};

let [passed, failed] = [0, 0];

async function check(what, run) {
  try {
    await run();
    passed += 1;
    console.log(`ok ${what}`);
  } catch (error) {
    failed += 1;
    console.log(`not ok ${what}: ${error.message}`);
  }
}

function same(found, expected, what) {
  const [left, right] = [JSON.stringify(found), JSON.stringify(expected)];
  if (left !== right) throw new Error(`${what} is ${left}, not ${right}`);
}

async function send(url, { method = "GET", headers, body } = {}) {
  const signal = AbortSignal.timeout(20_000);
  const response = await fetch(url, { method, headers, body, redirect: "manual", signal });
  return { status: response.status, headers: response.headers, body: await response.text() };
}

/** With it, a read sees what was written last. */
let position;

async function ledger(token, method, path, content, expected = 200) {
  const headers = { authorization: `Bearer ${token}`, "content-type": "application/json" };
  if (position) headers["ledger-position"] = position;
  const answer = await send(LEDGER + path, { method, headers, body: content && JSON.stringify(content) });
  if (answer.status !== expected) throw new Error(`${method} ${path} answers ${answer.status} ${answer.body}`);
  position = answer.headers.get("ledger-position") ?? position;
  return JSON.parse(answer.body);
}

/** Asks until the answer is the right one. */
async function becomes(expected, ask, what) {
  for (const end = Date.now() + 20_000; ; await pause(100)) {
    const found = await ask();
    if (found === expected) return;
    if (Date.now() > end) throw new Error(`${what} is still ${found} after 20 seconds, not ${expected}`);
  }
}

const placed = (provider, expected = 201) =>
  ledger(ALICE_TOKEN, "POST", "/api/v1/payments/orders", { product_type: "credits_10", provider }, expected);
const statusOf = async ({ order_no }) =>
  (await ledger(ALICE_TOKEN, "GET", `/api/v1/payments/orders/${order_no}`)).status;
const comesTo = (status, order) => becomes(status, () => statusOf(order), "the order");

function peerOf(provider) {
  const address = process.env[`PEER_${provider.toUpperCase()}`];
  const tell = async (method, what, query = {}) => {
    const { status, body } = await send(`${address}/peer/${what}?${new URLSearchParams(query)}`, { method });
    if (status !== 200) throw new Error(`the peer fails: ${body}`);
    return JSON.parse(body);
  };
  // Some know an order by a name of their own.
  const name = (order) => order.provider_reference ?? order.order_no;
  return {
    address,
    trade: (order) => tell("GET", "trade", { name: name(order) }),
    pay: (order) => tell("POST", "pay", { name: name(order) }),
    once: (what) => tell("POST", "once", { what }),
    calls: () => tell("GET", "calls"),
    notify: async (order, signer, changed) => {
      const query = { name: name(order), signer, ...(changed && { changed: "" }) };
      const { url, ...notification } = await tell("POST", "notification", query);
      return send(new URL(url, LEDGER), notification);
    },
  };
}

for (const [provider, it] of Object.entries(providers)) {
  const peer = peerOf(provider);
  const { library, signers = [library] } = it;

  /** An order, as a customer would have it: its page is opened where it is one of the peer's. */
  const order = async () => {
    const made = await placed(provider);
    if (made.payment_url?.startsWith(peer.address)) {
      const { status, body } = await send(made.payment_url);
      if (status >= 400) throw new Error(`the page to pay on answers ${status} ${body}`);
    }
    return made;
  };

  await check(`${provider}: ${library} takes the call that creates a payment`, async () => {
    const trade = await peer.trade(await order());
    same(trade.amount, it.price, "the amount");
    if (trade.notifyUrl) same(new URL(trade.notifyUrl).origin, new URL(LEDGER).origin, "where notifications go");
  });

  await check(`${provider}: ${library} refuses that call with one byte changed`, async () => {
    const [call] = await peer.calls();
    const key = call.headers["x-api-key"];
    const number = /ORD\d{5}/;
    const other = (text) => text.replace(number, (digits) => `ORD3${digits.slice(4)}`);
    const headers = key ? { ...call.headers, "x-api-key": key.replace(/.$/, "X") } : call.headers;
    const body = call.method === "GET" ? undefined : key ? call.body : other(call.body);
    const { status } = await send(peer.address + (key ? call.path : other(call.path)), { ...call, headers, body });
    if (status < 400 || status > 499) throw new Error(`it answers ${status}`);
  });

  if (it.signsAnswers) {
    await check(`${provider}: an answer signed by ${library} with one byte changed is refused`, async () => {
      await peer.once("changed");
      await placed(provider, 503);
    });
  }

  let bought;
  for (const signer of signers) {
    const signed = `${provider}: a notification signed by ${signer}`;
    await check(`${signed} with one byte changed is refused and pays nothing`, async () => {
      bought = await order();
      await peer.pay(bought);
      same((await peer.notify(bought, signer, true)).status, 401, "the answer");
      await pause(500);
      same(await statusOf(bought), "pending", "the order");
    });
    await check(`${signed} is accepted`, async () => {
      const { status, body } = await peer.notify(bought, signer);
      if (status !== 200 || !it.accepts(body)) throw new Error(`it answers ${status} ${body}`);
    });
    await check(`${provider}: the order that it pays is fulfilled`, () => comesTo("fulfilled", bought));
    await check(`${provider}: the same notification again is accepted and changes nothing`, async () => {
      same((await peer.notify(bought, signer)).status, 200, "the answer");
      await pause(500);
      same(await statusOf(bought), "fulfilled", "the order");
    });
  }

  await check(`${provider}: what it is asked about an order is answered, first as not paid, then as paid`, async () => {
    const asked = await order();
    const { found } = await ledger(ADMIN_TOKEN, "POST", `/api/v1/admin/orders/${asked.order_no}/reconcile`);
    same(found, false, "whether there is a payment");
    await peer.pay(asked);
    const said = await ledger(ALICE_TOKEN, "POST", "/api/payments/confirm", { orderId: asked.order_no });
    same([said.success, said.status], [true, "completed"], "the answer");
    same(await statusOf(asked), "fulfilled", "the order");
  });

  const refund = async (amount, status) => {
    const path = `/api/v1/admin/orders/${bought.order_no}/refund`;
    const { id } = await ledger(ADMIN_TOKEN, "POST", path, { amount, reason: "不想要了" }, 201);
    const state = async () => (await ledger(ADMIN_TOKEN, "GET", `/api/v1/admin/refunds/${id}`)).state;
    await becomes("done", state, "the refund");
    await comesTo(status, bought);
  };
  if (it.part) {
    await check(`${provider}: a part is refunded, which is known when asked about again`, async () => {
      await peer.once("later");
      await refund(it.part, "partially_refunded");
    });
  }
  if (it.refunds !== false) {
    await check(`${provider}: ${it.part ? "the rest" : "all of it"} is refunded`, () => refund(undefined, "refunded"));
  }

  await check(`${provider}: ${library} refused no call of the ledger`, async () => {
    const calls = await peer.calls();
    const refused = calls.filter((call) => call.refused).map((call) => `${call.method} ${call.path}: ${call.refused}`);
    // But for the one that was changed above.
    if (refused.length !== 1) throw new Error(`of ${calls.length} it refused ${refused.length}: ${refused.join("; ")}`);
  });
}

console.log(`${passed} passed, ${failed} failed`);
process.exitCode = failed === 0 ? 0 : 1;
