//! A ledger and one payment provider's side of it: `billing-ledger simulate`, another process, with the real signatures.

use reqwest::StatusCode;
use serde_json::{Value, json};
use tempfile::TempDir;

use super::super::harness::Instance;
use super::super::http::{Answer, Caller, client};
use super::super::program::{Env, Program};
use crate::support::eventually;

/// How the ledger comes to know of money that went back in a provider's own console.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Console {
    /// It is told.
    Told,
    /// It is told, by names that the ledger does not know before it has asked about the order.
    ToldByNames,
    /// It asks.
    Silent,
    /// It asks, and is told that a person has to look.
    Unclear,
}

/// What is different from one provider to the next.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Way {
    pub(crate) name: &'static str,
    /// Of `simulate`.
    pub(crate) command: &'static str,
    /// It can be told to give money back.
    pub(crate) refunds: bool,
    /// What it says when all of the money went back in its console.
    pub(crate) console: Console,
    /// And when it was a part of it.
    pub(crate) tells_of_parts: bool,
    /// One thing to be paid can be paid twice.
    pub(crate) can_be_paid_twice: bool,
    /// A wrong amount can be paid there, and is told.
    pub(crate) tells_amounts: bool,
    /// It is asked for a payment page; where it is not, no answer can be lost.
    pub(crate) is_called_to_create: bool,
}

pub(crate) const WAYS: [Way; 6] = [
    Way {
        name: "alipay",
        command: "alipay",
        refunds: true,
        console: Console::Silent,
        tells_of_parts: true,
        can_be_paid_twice: true,
        tells_amounts: true,
        is_called_to_create: true,
    },
    Way {
        name: "wechat",
        command: "wechat",
        refunds: true,
        console: Console::Told,
        tells_of_parts: true,
        can_be_paid_twice: true,
        tells_amounts: true,
        is_called_to_create: true,
    },
    Way {
        name: "antom",
        command: "antom",
        refunds: true,
        console: Console::ToldByNames,
        tells_of_parts: false,
        can_be_paid_twice: true,
        tells_amounts: true,
        is_called_to_create: true,
    },
    Way {
        name: "crossmint",
        command: "crossmint",
        refunds: false,
        console: Console::Silent,
        tells_of_parts: false,
        can_be_paid_twice: false,
        tells_amounts: true,
        is_called_to_create: true,
    },
    Way {
        name: "creem",
        command: "creem",
        refunds: true,
        console: Console::Told,
        tells_of_parts: true,
        can_be_paid_twice: true,
        tells_amounts: true,
        is_called_to_create: true,
    },
    Way {
        name: "linuxdo_credit",
        command: "linuxdo-credit",
        refunds: true,
        console: Console::Unclear,
        tells_of_parts: false,
        can_be_paid_twice: true,
        tells_amounts: true,
        is_called_to_create: false,
    },
];

pub(crate) fn way(name: &str) -> Way {
    WAYS.into_iter().find(|way| way.name == name).expect("a provider")
}

pub(crate) struct Scene {
    pub(crate) ledger: Instance,
    pub(crate) way: Way,
    pub(crate) provider: Caller,
    /// What the ledger was told of the provider.
    settings: Env,
    _simulator: Program,
    _keys: TempDir,
}

/// An order, by the names that both sides have for it.
#[derive(Debug, Clone)]
pub(crate) struct Ordered {
    pub(crate) sub: String,
    pub(crate) order: String,
    /// By which its provider finds it.
    pub(crate) there: String,
    /// Where the customer is sent.
    page: Option<String>,
}

impl Scene {
    pub(crate) async fn start(way: Way) -> Self {
        Self::with(way, Vec::new()).await
    }

    pub(crate) async fn with(way: Way, settings: Env) -> Self {
        let keys = tempfile::tempdir().expect("a folder");
        let folder = keys.path().to_str().expect("UTF-8").to_owned();
        let arguments = ["simulate", way.command, "--listen", "127.0.0.1:0", "--keys-dir", &folder];
        let mut simulator = Program::spawn(&arguments, &Vec::new());
        let base = simulator.listening().await;
        let mut env: Env = vec![("SANDBOX", "false".to_owned()), ("DEFAULT_CATALOGUE", "true".to_owned())];
        let known = exported(&simulator.out());
        env.extend(known.clone());
        env.extend(settings);
        let ledger = Instance::with(env).await;
        let provider = Caller::new(&client(), &base, None);
        let scene = Self { ledger, way, provider, settings: known, _simulator: simulator, _keys: keys };
        scene.notify_the_ledger().await;
        scene
    }

    pub(crate) fn setting(&self, variable: &str) -> &str {
        &self.settings.iter().find(|(name, _)| *name == variable).expect("a setting").1
    }

    /// Notifications go to the first server, wherever it listens by now.
    pub(crate) async fn notify_the_ledger(&self) {
        let base = self.ledger.base().to_owned();
        let told = self.provider.send(reqwest::Method::PUT, "/notify-base", Some(base.into_bytes())).await;
        told.expect(204);
    }

    pub(crate) async fn faults(&self, faults: Value) {
        self.provider.put("/faults", faults).await.expect(204);
    }

    pub(crate) async fn hurry(&self) {
        self.provider.post_nothing("/hurry").await.expect(204);
        self.ledger.hurry().await;
    }

    pub(crate) async fn order(&self, sub: &str) -> Ordered {
        let placed = self.try_order(sub, &format!("key-{sub}")).await.expect(201);
        self.ordered(sub, &placed)
    }

    pub(crate) async fn try_order(&self, sub: &str, key: &str) -> Answer {
        let wanted = json!({"product_type": "credits_10", "provider": self.way.name});
        self.ledger.user(sub).await.with("idempotency-key", key).post("/api/v1/payments/orders", wanted).await
    }

    pub(crate) fn ordered(&self, sub: &str, placed: &Answer) -> Ordered {
        let placed = placed.json();
        let order = placed["order_no"].as_str().expect("a number").to_owned();
        let there = placed["provider_reference"].as_str().map_or_else(|| order.clone(), str::to_owned);
        Ordered { sub: sub.to_owned(), order, there, page: placed["payment_url"].as_str().map(str::to_owned) }
    }

    /// Somebody goes there and pays. Some providers know of an order only once its page was opened.
    pub(crate) async fn pay(&self, it: &Ordered) {
        if let Some(page) = &it.page {
            let opened = client().get(page).send().await.expect("a page");
            assert!(opened.status().as_u16() < 400, "{}: {}", self.way.name, opened.status());
        }
        self.provider.post_nothing(&format!("/pay/{}", it.there)).await.expect(200);
    }

    /// As the merchant would, in the provider's console.
    pub(crate) async fn give_back(&self, it: &Ordered, body: Value) -> Answer {
        self.provider.post(&format!("/give-back/{}", it.there), body).await
    }

    pub(crate) async fn trade(&self, it: &Ordered) -> Value {
        self.provider.get(&format!("/trades/{}", it.there)).await.expect(200).json()
    }

    /// What is on its way, and what became of the rest.
    pub(crate) async fn notifications(&self) -> Value {
        self.provider.get("/notifications").await.expect(200).json()
    }

    /// Waits until nothing is on its way any more; everything about this order was acknowledged.
    pub(crate) async fn all_acknowledged(&self, it: &Ordered) {
        let said = eventually("notifications to have been sent", async || {
            self.hurry().await;
            Some(self.notifications().await).filter(|said| said["waiting"] == 0)
        })
        .await;
        let sent = said["sent"].as_array().expect("a list");
        let of_it = sent.iter().filter(|sent| sent["number"] == *it.order || sent["number"] == *it.there);
        let refused: Vec<_> = of_it.clone().filter(|sent| sent["acknowledged"] != true).collect();
        assert!(of_it.count() > 0, "{}: nothing was said of {}: {said}", self.way.name, it.sub);
        assert!(refused.is_empty(), "{}: {refused:?}", self.way.name);
    }

    /// Waits until it was paid and delivered: once.
    pub(crate) async fn came_once(&self, it: &Ordered) {
        eventually(&format!("{}: {} to be delivered", self.way.name, it.sub), async || {
            self.ledger.hurry().await;
            let order = self.ledger.order(&it.sub, &it.order).await;
            (order["status"] == "fulfilled").then_some(())
        })
        .await;
        self.delivered(it, 1).await;
    }

    pub(crate) async fn delivered(&self, it: &Ordered, times: i64) {
        let count = async |kind, event| self.ledger.events_of(&it.sub, kind, event).await;
        let seen = (count("order", "paid").await, count("credit_account", "granted").await);
        assert_eq!(seen, (times, times), "{}: {}", self.way.name, it.sub);
    }

    pub(crate) async fn confirm(&self, it: &Ordered) -> Value {
        // As a front end has it from the provider's own component.
        let asked = json!({"orderId": it.there});
        self.ledger.user(&it.sub).await.post("/api/payments/confirm", asked).await.expect(200).json()
    }

    pub(crate) async fn status(&self, it: &Ordered) -> Value {
        self.ledger.order(&it.sub, &it.order).await["status"].clone()
    }

    /// What admins see of notifications about an order.
    pub(crate) async fn inbox(&self, query: &str) -> Vec<Value> {
        let list = self.ledger.admin().await.get(&format!("/api/v1/admin/inbox?limit=200{query}")).await;
        list.expect(200).json()["items"].as_array().expect("a list").clone()
    }

    pub(crate) async fn refund(&self, it: &Ordered, body: Value) -> String {
        let asked = self.ledger.admin().await.post(&format!("/api/v1/admin/orders/{}/refund", it.order), body).await;
        asked.expect(201).json()["id"].as_str().expect("an id").to_owned()
    }

    /// Waits until a refund has a state, without waiting for the pauses between attempts.
    pub(crate) async fn refund_is(&self, id: &str, state: &str) -> Value {
        eventually(&format!("{}: a refund to be {state}", self.way.name), async || {
            self.hurry().await;
            let answer = self.ledger.admin().await.get(&format!("/api/v1/admin/refunds/{id}")).await;
            let known = Some(answer).filter(|answer| answer.status == StatusCode::OK)?.json();
            (known["state"] == state).then_some(known)
        })
        .await
    }
}

/// `export NAME='value'`, as `simulate` prints what the ledger is to be started with.
pub(crate) fn exported(out: &str) -> Env {
    let line = |line: &str| {
        let (name, value) = line.strip_prefix("export ")?.split_once('=')?;
        // The names of settings are few, and live as long as the tests.
        let name: &'static str = Box::leak(name.to_owned().into_boxed_str());
        Some((name, value.trim_matches('\'').to_owned()))
    };
    out.lines().filter_map(line).collect()
}
