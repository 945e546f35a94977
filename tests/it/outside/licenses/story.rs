use serde_json::{Value, json};

use super::super::harness::{ADMIN_TOKEN, JWT_SECRET};
use super::super::secrets;
use super::*;
use crate::support::process::assert_verifies;

#[tokio::test]
async fn a_license_is_bought_given_to_a_friend_used_up_given_back_and_revoked() {
    let mut ledger = shop().await;
    let (alice, bob) = (ledger.user("alice").await, ledger.user("bob").await);

    // Paid in one step with its key, which its buyer sees, and which is their current one.
    let bought = buy(&ledger, "alice", THREE).await;
    let [key] = keys_of(&alice).await.try_into().expect("one key");
    let groups: Vec<&str> = bought.key.split('-').collect();
    assert!(groups.len() == 4 && groups.iter().all(|it| it.len() == 4 && hex::decode(it).is_ok()), "{key}");
    assert_eq!(bought.key, bought.key.to_ascii_uppercase());
    let shown = json!({
        "id": bought.id, "key_code": bought.key, "status": "active", "product": key["product"], "product_type": THREE.code, "order_no": bought.order,
        "quota_total": 3, "quota_used": 0, "remaining": 3, "features": ["email_verify", "api_access"],
        "current": true, "bound_to": "nobody", "note": null, "issued_at": key["issued_at"], "activated_at": null,
        "revoked_at": null,
    });
    assert_eq!(key, shown);

    // Whoever is given it may look, and is the one it belongs to once they activate it.
    let checked = bob.post(CHECK, key_code(&bought.key.to_lowercase())).await.expect(200).json();
    assert_eq!((&checked["remaining"], &checked["bound"]), (&json!(3), &json!(false)));
    let activated = activate(&bob, &bought).await;
    assert_eq!(activated.json()["bound"], true);
    activate(&bob, &bought).await;
    let [bobs] = keys_of(&bob.after(&activated)).await.try_into().expect("one key");
    assert_eq!(
        (&bobs["key_code"], &bobs["current"], &bobs["bound_to"]),
        (&json!(bought.key), &json!(true), &json!("you"))
    );
    assert_eq!(bobs["order_no"], Value::Null, "the order is its buyer's");
    the_giver_has_lost_it(&alice, &bought, &activated).await;

    used_up_and_given_back(&ledger, &bought).await;

    // Revoked, it is of no use to its owner, and nothing to anybody else.
    let reason = json!({"reason": "sold by a thief"});
    let path = format!("/api/v1/admin/licenses/{}/revoke", bought.id);
    let revoked = ledger.admin().await.post(&path, reason.clone()).await.expect(200);
    ledger.admin().await.post(&path, reason).await.expect(200);
    assert_eq!(bob.post(CHECK, key_code(&bought.key)).await.expect(200).json()["status"], "revoked");
    bob.post(ACTIVATE, key_code(&bought.key)).await.refused(403, "E4094");
    bob.with("x-license-key", &bought.key).post(VERIFY, one_address()).await.refused(403, "E4094");
    bob.post(VERIFY, one_address()).await.refused(403, "E2008");
    alice.post(CHECK, key_code(&bought.key)).await.refused(404, "E3003");
    let [bobs] = keys_of(&bob.after(&revoked)).await.try_into().expect("one key");
    assert_eq!((&bobs["status"], &bobs["current"]), (&json!("revoked"), &json!(false)));
    admins_find_it(&ledger, &bought).await;

    assert_verifies(&ledger.database.url()).await;
    ledger.stop().await;
    let settings = [ADMIN_TOKEN, JWT_SECRET].map(str::to_owned);
    let shapes = [bought.key.clone(), bought.key.replace('-', ""), bought.key.to_lowercase()];
    secrets::assert_nowhere(&ledger, &[settings.as_slice(), shapes.as_slice()].concat()).await;
}

fn one_address() -> Value {
    json!({"mail": ["test@gmail.com"], "method": "smtp"})
}

async fn the_giver_has_lost_it(alice: &Caller, bought: &Bought, activated: &Answer) {
    let [key] = keys_of(&alice.after(activated)).await.try_into().expect("one key");
    assert_eq!((&key["current"], &key["bound_to"]), (&json!(false), &json!("another")));
    assert_eq!(key["key_code"], json!(bought.key), "who bought it sees it for ever");
    alice.post(ACTIVATE, key_code(&bought.key)).await.refused(404, "E3003");
    alice.put(&format!("/api/v1/keys/{}/current", bought.id), json!({})).await.refused(403, "E4093");
    alice.put(&format!("/api/v1/keys/{}/note", bought.id), json!({"note": "x"})).await.refused(403, "E4093");
    alice.get(&format!("/api/v1/keys/{}/usage", bought.id)).await.refused(404, "E3003");
    alice.with("x-license-key", &bought.key).post(VERIFY, one_address()).await.refused(404, "E3003");
}

/// A back end takes uses of Bob's current license under references, and gives one back.
async fn used_up_and_given_back(ledger: &Instance, bought: &Bought) {
    let (service, bob) = (ledger.service().await, ledger.user("bob").await);
    let wants = |units: u32, reference: &str| json!({"account": "bob", "feature": "api_access", "units": units, "reference": reference});
    let first = service.post(CONSUME, wants(2, "a")).await.expect(200);
    assert_eq!((&first.json()["remaining"], &first.json()["license"]), (&json!(1), &json!(bought.id)));
    let again = service.post(CONSUME, wants(2, "a")).await.expect(200);
    assert_eq!((again.json()["remaining"].as_u64(), again.is_replay()), (Some(1), true));
    service.post(CONSUME, wants(1, "a")).await.refused(409, "E3007");
    let named = service.with("idempotency-key", "k-1");
    named.post(CONSUME, wants(2, "b")).await.refused(402, "E4095");
    let mut missing = wants(1, "c");
    missing["feature"] = json!("task_management");
    service.post(CONSUME, missing).await.refused(403, "E4096");
    named.post(CONSUME, wants(1, "d")).await.expect(200);
    named.post(CONSUME, wants(1, "e")).await.refused(409, "E3005");
    assert!(named.post(CONSUME, wants(1, "d")).await.expect(200).is_replay());

    let exhausted = bob.post(CHECK, key_code(&bought.key)).await.expect(200).json();
    assert_eq!((&exhausted["status"], &exhausted["remaining"]), (&json!("exhausted"), &json!(0)));
    let asked = json!({"account": "bob", "feature": "api_access"});
    let entitled = service.post(ENTITLED, asked.clone()).await.expect(200).json();
    assert_eq!((&entitled["entitled"], &entitled["code"]), (&json!(false), &json!("E4095")));

    let back = json!({"account": "bob", "reference": "a", "keep": 1});
    bob.post(GIVE_BACK, back.clone()).await.refused(403, "E2005");
    let given = service.post(GIVE_BACK, back.clone()).await.expect(200);
    assert_eq!((&given.json()["units"], &given.json()["remaining"]), (&json!(1), &json!(1)));
    assert_eq!(service.post(GIVE_BACK, back).await.expect(200).json()["remaining"], 1, "once");
    service.post(GIVE_BACK, json!({"account": "bob", "reference": "a", "keep": 2})).await.refused(422, "E4099");
    service.post(GIVE_BACK, json!({"account": "bob", "reference": "never"})).await.refused(404, "E3003");
    assert_eq!(service.post(ENTITLED, asked).await.expect(200).json()["entitled"], true);

    let history = bob.after(&given).get(&format!("/api/v1/keys/{}/usage", bought.id)).await.expect(200).json();
    let told: Vec<_> = items(&history)
        .iter()
        .map(|it| (text(it, "reference"), it["units"].as_u64(), it["given_back"].as_u64()))
        .collect();
    assert_eq!(told, [("d".to_owned(), Some(1), Some(0)), ("a".to_owned(), Some(2), Some(1))]);
}

async fn admins_find_it(ledger: &Instance, bought: &Bought) {
    let auditor = ledger.auditor().await;
    for query in ["account=alice", "account=bob", "status=revoked", &format!("order={}", bought.order)] {
        let found = auditor.get(&format!("/api/v1/admin/licenses?{query}")).await.expect(200);
        let [license] = items(&found.json()).try_into().expect(query);
        assert_eq!((&license["id"], &license["owner"]), (&json!(bought.id), &json!("bob")), "{query}");
        assert_eq!(license["revoked_reason"], "sold by a thief");
        assert!(!found.text().contains(&bought.key), "nobody but who bought or uses it sees the key");
    }
    let none = auditor.get("/api/v1/admin/licenses?status=active").await.expect(200).json();
    assert_eq!(items(&none), Vec::<Value>::new());
}

#[tokio::test]
async fn the_newest_license_is_current_until_its_owner_chooses_another() {
    let ledger = shop().await;
    let alice = ledger.user("alice").await;
    alice.post(VERIFY, one_address()).await.refused(403, "E2008");
    let (first, second) = (buy(&ledger, "alice", BASIC).await, buy(&ledger, "alice", IMPORT).await);
    let current = async |after: &Answer| {
        let keys = keys_of(&alice.after(after)).await;
        keys.iter().filter(|key| key["current"] == true).map(|key| text(key, "id")).collect::<Vec<_>>()
    };
    assert_eq!(current(&second.paid).await, [second.id.as_str()]);
    // It is for something else.
    alice.post(VERIFY, one_address()).await.refused(403, "E4096");

    let chosen = alice.put(&format!("/api/v1/keys/{}/current", first.id), json!({})).await.expect(200);
    assert_eq!(current(&chosen).await, [first.id.as_str()]);
    let verified = alice.post(VERIFY, one_address()).await.expect(200).json();
    assert_eq!(verified["license"], json!(first.id));

    // A reference stays with the license that it was first paid from, whatever is chosen since.
    let wants = json!({"units": 5, "reference": "r"});
    let taken = alice.post(CONSUME, wants.clone()).await.expect(200).json();
    alice.put(&format!("/api/v1/keys/{}/current", second.id), json!({})).await.expect(200);
    let again = alice.post(CONSUME, wants.clone()).await.expect(200);
    assert_eq!((&again.json()["license"], again.is_replay()), (&taken["license"], true));
    let mut by_key = wants;
    by_key["key_code"] = json!(second.key);
    alice.post(CONSUME, by_key).await.refused(409, "E3007");
}

#[tokio::test]
async fn a_note_is_for_its_author_alone_and_nowhere_in_clear() {
    let mut ledger = shop().await;
    let (alice, bob) = (ledger.user("alice").await, ledger.user("bob").await);
    let bought = buy(&ledger, "alice", BASIC).await;
    let path = format!("/api/v1/keys/{}/note", bought.id);
    let note = "for the newsletter of Zyxwvutsr";
    let kept = alice.with("idempotency-key", "n-1").put(&path, json!({ "note": note })).await.expect(200);
    let again = alice.with("idempotency-key", "n-1").put(&path, json!({ "note": note })).await.expect(200);
    assert!(again.is_replay());
    alice.with("idempotency-key", "n-1").put(&path, json!({"note": "other"})).await.refused(409, "E3005");
    bob.put(&path, json!({"note": "mine"})).await.refused(404, "E3003");
    assert_eq!(keys_of(&alice.after(&kept)).await[0]["note"], note);
    let activated = activate(&bob, &bought).await;
    assert_eq!(keys_of(&bob.after(&activated)).await[0]["note"], Value::Null);
    let own = bob.put(&path, json!({"note": "from alice"})).await.expect(200);
    assert_eq!(keys_of(&bob.after(&own)).await[0]["note"], "from alice");
    let gone = bob.put(&path, json!({"note": ""})).await.expect(200);
    assert_eq!(keys_of(&bob.after(&gone)).await[0]["note"], Value::Null);
    ledger.stop().await;
    secrets::assert_nowhere(&ledger, &[note.to_owned(), "from alice".to_owned()]).await;
}

/// What was sold to somebody else stays theirs to use; what only the buyer's key opens is gone.
#[tokio::test]
async fn an_erased_buyer_takes_the_sight_of_a_key_along_and_not_its_use() {
    let ledger = shop().await;
    let bob = ledger.user("bob").await;
    let bought = buy(&ledger, "alice", BASIC).await;
    let activated = activate(&bob, &bought).await;
    let path = "/api/v1/admin/accounts/alice/erase";
    ledger.admin().await.post(path, json!({"reason": "asked for it"})).await.ok();
    crate::support::eventually("the key to be gone", async || {
        let keys = keys_of(&bob.after(&activated)).await;
        (keys[0]["key_code"] == Value::Null).then_some(())
    })
    .await;
    assert_eq!(bob.post(CHECK, key_code(&bought.key)).await.expect(200).json()["status"], "active");
    bob.with("x-license-key", &bought.key).post(VERIFY, one_address()).await.expect(200);
}

/// Seed 002: 退款后密钥状态会变为 revoked.
#[tokio::test]
async fn a_refund_revokes_the_license_whoever_uses_it() {
    let ledger = shop().await;
    let bob = ledger.user("bob").await;
    let bought = buy(&ledger, "alice", BASIC).await;
    activate(&bob, &bought).await;
    let path = format!("/api/v1/admin/orders/{}/refund", bought.order);
    ledger.admin().await.post(&path, json!({"reason": "bought by mistake"})).await.ok();
    crate::support::eventually("the license to be revoked", async || {
        ledger.hurry().await;
        let checked = bob.post(CHECK, key_code(&bought.key)).await.expect(200).json();
        (checked["status"] == "revoked").then_some(())
    })
    .await;
    bob.post(VERIFY, one_address()).await.refused(403, "E2008");
    bob.with("x-license-key", &bought.key).post(VERIFY, one_address()).await.refused(403, "E4094");
    ledger.service().await.post(CONSUME, json!({"account": "bob", "reference": "r"})).await.refused(403, "E2008");
}

/// Seed 002: 额度用完了可以充值吗？ 不支持充值。额度用完后需要购买新的 License Key。
#[tokio::test]
async fn a_license_bought_again_is_a_second_key_and_tops_nothing_up() {
    let ledger = shop().await;
    let alice = ledger.user("alice").await;
    let first = buy(&ledger, "alice", THREE).await;
    alice.post(CONSUME, json!({"units": 3, "reference": "all"})).await.expect(200);
    let second = buy(&ledger, "alice", THREE).await;
    assert!(first.key != second.key && first.id != second.id, "{}", first.id);
    let keys = keys_of(&alice.after(&second.paid)).await;
    let told: Vec<_> = keys.iter().map(|key| (text(key, "key_code"), text(key, "status"), &key["remaining"])).collect();
    let expected = [(second.key.clone(), "active", 3), (first.key.clone(), "exhausted", 0)];
    let expected = expected.map(|(key, status, left)| (key, status.to_owned(), json!(left)));
    assert_eq!(told, expected.each_ref().map(|(key, status, left)| (key.clone(), status.clone(), left)));
    // The new one pays from now on; the old one never again.
    let taken = alice.post(CONSUME, json!({"units": 1, "reference": "new"})).await.expect(200).json();
    assert_eq!((&taken["license"], &taken["remaining"]), (&json!(second.id), &json!(2)));
    let by_old = json!({"units": 1, "reference": "old", "key_code": first.key});
    alice.post(CONSUME, by_old).await.refused(402, "E4095");
}
