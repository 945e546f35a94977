// What the peers have in common.

import { generateKeyPairSync } from "node:crypto";

/** What a provider answers to a call that is not the merchant's, or is none. */
export class Wrong extends Error {
  constructor(message, status = 401) {
    super(message);
    this.status = status;
  }
}

export function must(holds, message, status) {
  if (!holds) throw new Wrong(message, status);
}

/** An RSA pair, as consoles show them. */
export function pair() {
  const { publicKey, privateKey } = generateKeyPairSync("rsa", { modulusLength: 2048 });
  const pem = (key, type) => key.export({ type, format: "pem" }).trim();
  return { public: pem(publicKey, "spki"), pkcs1: pem(privateKey, "pkcs1"), pkcs8: pem(privateKey, "pkcs8") };
}

/** Base64 without the lines around it. */
export const bare = (pem) => pem.replace(/-----[^-]+-----|\s/g, "");

export const json = (value, status = 200) => ({
  status,
  headers: { "content-type": "application/json" },
  body: JSON.stringify(value),
});

/** Beijing's, as Chinese providers write it. */
export const beijing = () => new Date(Date.now() + 8 * 3_600_000).toISOString().slice(0, 19).replace("T", " ");

export const sum = (refunds) => [...refunds.values()].reduce((all, one) => all + one, 0);

/** `"10.00"` is 1000, and back. */
export const minor = (text) => Math.round(Number(text) * 100);
export const decimal = (amount) => (amount / 100).toFixed(2);
