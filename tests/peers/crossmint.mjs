// Crossmint: calls come with a key, notifications are signed by npm svix and by PyPI standardwebhooks.

import { execFileSync } from "node:child_process";
import { randomBytes, randomUUID } from "node:crypto";
import { Webhook } from "svix";
import { json, must } from "./common.mjs";

const apiKey = "sk_staging_peer";
const collection = "11111111-2222-3333-4444-555555555555";
const secret = `whsec_${randomBytes(24).toString("base64")}`;

export const name = "crossmint";

export const settings = (address) => ({
  CROSSMINT_SERVER_API_KEY: apiKey,
  CROSSMINT_WEBHOOK_SECRET: secret,
  CROSSMINT_COLLECTION_ID: collection,
  CROSSMINT_API_URL: `${address}/api`,
});

export function answer({ method, url, headers, body }, trades) {
  must(headers["x-api-key"] === apiKey, "API key invalid");
  const route = `${method} ${url.pathname}`;
  if (route === "POST /api/2022-06-09/orders") {
    const { lineItems: [item], payment } = JSON.parse(body);
    must(item.collectionLocator === `crossmint:${collection}`, "no such collection", 400);
    const trade = { id: randomUUID(), amount: item.callData.totalPrice, currency: payment.currency };
    trades.set(trade.id, trade);
    return json({ clientSecret: `secret of ${trade.id}`, order: order(trade) }, 201);
  }
  const trade = trades.get(url.pathname.split("/").pop());
  must(trade && route === `GET /api/2022-06-09/orders/${trade.id}`, "no such order", 404);
  return json(order(trade));
}

function order({ id, amount, currency, paid }) {
  const price = { amount, currency };
  const payment = { method: "stripe-payment-element", currency, status: paid ? "completed" : "awaiting-payment" };
  return {
    orderId: id,
    phase: paid ? "delivery" : "payment",
    quote: { status: "valid", totalPrice: price },
    payment: paid ? { ...payment, received: price } : payment,
    lineItems: [],
  };
}

export function notification(trade, signer) {
  const body = JSON.stringify({ type: "orders.payment.succeeded", actionId: trade.id, data: order(trade) });
  const [id, now] = [`msg_${randomBytes(12).toString("hex")}`, new Date()];
  const seconds = `${Math.floor(now / 1000)}`;
  const headers = {
    "content-type": "application/json",
    "svix-id": id,
    "svix-timestamp": seconds,
    "svix-signature": signers[signer](id, now, seconds, body),
  };
  new Webhook(secret).verify(body, headers);
  return { method: "POST", url: "/webhooks/crossmint", headers, body };
}

const signers = {
  svix: (id, now, _, body) => new Webhook(secret).sign(id, now, body),
  standardwebhooks: (id, _, seconds, body) => {
    const program = new URL("standardwebhooks_sign.py", import.meta.url).pathname;
    const options = { input: body, timeout: 30_000, encoding: "utf8" };
    return execFileSync(process.env.STANDARDWEBHOOKS_PYTHON, [program, secret, id, seconds], options).trim();
  },
};

export const change = (it) => ({ ...it, body: it.body.replace('"amount":"1', '"amount":"2') });
