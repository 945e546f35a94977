// Creem: calls come with a key, notifications are signed by npm @creem_io/webhook-types.

import { randomBytes } from "node:crypto";
import { generateSignature, parseWebhookEvent } from "@creem_io/webhook-types";
import { json, must } from "./common.mjs";

const apiKey = "creem_test_peer";
const product = "prod_peer";
const secret = `whsec_${randomBytes(16).toString("hex")}`;

export const name = "creem";

export const settings = (address) => ({
  CREEM_API_KEY: apiKey,
  CREEM_WEBHOOK_SECRET: secret,
  CREEM_PRODUCT_ID: product,
  CREEM_API_URL: address,
});

const mode = "test";
const id = (kind) => `${kind}_${randomBytes(11).toString("hex")}`;

export function answer({ method, url, query, headers, body, later }, trades) {
  must(headers["x-api-key"] === apiKey, "Forbidden", 403);
  const wanted = body ? JSON.parse(body) : {};
  const byTransaction = (name) => [...trades.values()].find(({ transaction }) => transaction === name);
  const found = (trade, shown) => (trade ? json(shown(trade)) : json({ status: 404, error: "Not Found" }, 404));
  switch (`${method} ${url.pathname}`) {
    case "POST /v1/checkouts": {
      must(wanted.product_id === product, "no such product", 400);
      const trade = { checkout: id("ch"), order: id("ord"), transaction: id("tran"), amount: wanted.custom_price };
      trades.set(trade.checkout, { ...trade, request: wanted.request_id, metadata: wanted.metadata });
      return json(checkout(trades.get(trade.checkout)));
    }
    case "GET /v1/checkouts":
      return found(trades.get(query.checkout_id), checkout);
    case "GET /v1/transactions":
      return found(byTransaction(query.transaction_id), transaction);
    case "POST /v1/refunds": {
      const trade = byTransaction(wanted.transaction_id);
      must(trade?.paid && !trade.refunded, "no such transaction", 400);
      trade.refunded = true;
      return json({ id: id("ref"), object: "refund", status: later() ? "pending" : "succeeded" });
    }
  }
  must(false, "there is no such call", 404);
}

function transaction({ transaction, order, amount, paid, refunded }) {
  const status = refunded ? "refunded" : paid ? "paid" : "pending";
  const money = { amount, amount_paid: amount, currency: "USD", refunded_amount: refunded ? amount : null };
  const about = { type: "payment", status, order, created_at: Date.now() };
  return { id: transaction, object: "transaction", mode, ...money, ...about };
}

function checkout({ checkout, order, transaction, amount, paid, request, metadata }) {
  const it = {
    id: checkout,
    object: "checkout",
    mode,
    status: paid ? "completed" : "pending",
    request_id: request,
    product,
    units: 1,
    checkout_url: `https://checkout.creem.io/${checkout}`,
    metadata,
  };
  const about = { product, transaction, amount, amount_paid: amount, currency: "USD", type: "onetime", status: "paid" };
  return paid ? { ...it, order: { id: order, object: "order", mode, ...about } } : it;
}

export async function notification(trade) {
  const event = { id: id("evt"), eventType: "checkout.completed", created_at: Date.now(), object: checkout(trade) };
  const body = JSON.stringify(event);
  parseWebhookEvent(body);
  const headers = { "content-type": "application/json", "creem-signature": await generateSignature(body, secret) };
  return { method: "POST", url: "/api/auth/creem/webhook", headers, body };
}

export const change = (it) => ({ ...it, body: it.body.replace('"amount":1', '"amount":2') });
