//! Snapshots of states. A snapshot is only ever a short cut: it may be thrown away.

pub use crate::kinds::{KindMismatch, State};

#[cfg(test)]
mod tests {
    use super::*;
    use crate::event::stored::stored;
    use crate::kinds::AggregateKind;

    /// What the stored events of this kind make, in the order they are listed in.
    fn folded(kind: AggregateKind) -> State {
        let mut state = State::empty(kind);
        let events = stored().into_iter().map(|(event, _)| event).filter(|event| event.kind() == kind);
        events.for_each(|event| state.apply(&event).unwrap());
        state
    }

    /// If this fails, the shape of a snapshot has changed: raise that aggregate's `SCHEMA`, then write it here.
    #[test]
    fn a_snapshot_has_the_shape_its_schema_number_stands_for() {
        for kind in AggregateKind::ALL.iter().copied() {
            let (schema, json) = match kind {
                AggregateKind::CreditAccount => (
                    3,
                    r#"{"grants":[{"id":"00000000-0000-0000-0000-000000000001","source":"order","amount":10000000,"left":1000000,"frozen":3000000,"expires_at":null,"number":0},{"id":"00000000-0000-0000-0000-000000000001","source":"admin","amount":10000000,"left":10000000,"frozen":0,"expires_at":null,"number":2},{"id":"00000000-0000-0000-0000-000000000001","source":"promotion","amount":10000000,"left":10000000,"frozen":0,"expires_at":null,"number":3}],"balance":0,"frozen":3000000,"shortfall":3000000,"granted":4,"lapsed":[{"grant":"053bd9ba-c5d1-839c-84de-b9f349773783","expired":0,"spared":1000000},{"grant":"00000000-0000-0000-0000-000000000001","expired":2000000,"spared":0}]}"#,
                ),
                AggregateKind::UserPackage => (
                    5,
                    r#"{"activated":{"terms":{"product":"00000000-0000-0000-0000-000000000002","daily_limit":5000000,"duration_days":30,"time_zone":"Asia/Shanghai","day":"anniversary"},"starts_at":"2026-01-04T06:00:00Z","ends_at":"2026-02-03T06:00:00Z","newest":{"date":"2026-01-06","left":3000000,"held":0},"older":[],"left":147000000,"owed":0,"extensions":[{"order":"00000000-0000-0000-0000-000000000005","days":30,"taken_back":true}],"first_taken_back":false,"expired":true,"revoked":true}}"#,
                ),
                AggregateKind::Holdings => (
                    3,
                    r#"{"packages":[{"package":"00000000-0000-0000-0000-000000000003","product":"00000000-0000-0000-0000-000000000004","starts_at":"2026-01-04T06:00:00Z","ends_at":"2026-02-03T06:00:00Z"}],"licenses":[{"license":"00000000-0000-0000-0000-000000000009","home":"00000000-0000-0000-0000-00000000acc0"}],"subscriptions":["00000000-0000-0000-0000-000000000008"]}"#,
                ),
                AggregateKind::Product => (
                    2,
                    r#"{"created":{"content":{"name":"月卡","description":"30 days,\n5.00 a day","prices":[{"minor":3000,"currency":"CNY"},{"minor":1250,"currency":"LDC/2"}],"sort_order":-1,"kind":{"package":{"duration_days":30,"daily_limit":5000000,"day":"calendar","again":"extend"}}},"on_sale":true}}"#,
                ),
                AggregateKind::Order => (
                    4,
                    r#"{"placed":{"placed":{"number":"ORD20260105060000deadbeef","product":"00000000-0000-0000-0000-000000000004","name":"月卡","kind":{"renewal":{"subscription":"00000000-0000-0000-0000-000000000008","plan":{"period":{"months":1},"credits":10000000,"upgrade_policy":"immediate","grace_days":3}}},"time_zone":"Asia/Shanghai","price":{"minor":3000,"currency":"CNY"},"provider":"alipay","placed_at":"2026-01-05T06:00:00Z","expires_at":"2026-01-05T06:15:00Z"},"checkout":{"reference":"ch_1"},"status":"refunding","payment":{"provider":"alipay","payment_id":"p-1","amount":{"minor":3000,"currency":"CNY"},"method":"wallet"},"delivered":{"plan_change":"00000000-0000-0000-0000-000000000003"},"granted":null,"reviews":[{"payment":{"provider":"alipay","payment_id":"p-1","amount":{"minor":2999,"currency":"CNY"}},"closed":"dismissed"},{"payment":{"provider":"alipay","payment_id":"p-1","amount":{"minor":3000,"currency":"CNY"}},"closed":"dismissed"}],"refunds":[{"id":"00000000-0000-0000-0000-000000000009","provider":"alipay","payment_id":"p-1","amount":{"minor":1000,"currency":"CNY"},"reason":"误购","revoke":true,"stage":"done","attempts":2,"provider_refund":"r-1"},{"id":"00000000-0000-0000-0000-000000000009","provider":"alipay","payment_id":"p-1","amount":{"minor":1000,"currency":"CNY"},"reason":"误购","revoke":null,"stage":"requested","attempts":0,"provider_refund":null}]}}"#,
                ),
                AggregateKind::Delivery => (
                    2,
                    r#"{"requested":{"order":"00000000-0000-0000-0000-000000000005","user_package":"00000000-0000-0000-0000-000000000003","next":null,"key":{"key_id":"k-1","last_four":"a1b2","at":"2026-01-05T06:20:00Z"},"failed":0,"given_up":false,"withdrawn":true}}"#,
                ),
                AggregateKind::Customer => (2, r#"{"described":null,"erased":true}"#),
                AggregateKind::Hold => (
                    2,
                    r#"{"settled":[{"amount":3000000,"reserved_by":"back_end","packages":[],"credits":[],"expires_at":"2026-01-05T07:00:00Z","meter":"tokens","reference":"call-7","at":"2026-01-05T06:00:00Z"},{"amount":1000000,"at":"2026-01-05T06:00:00Z"}]}"#,
                ),
                AggregateKind::License => (
                    1,
                    r#"{"issued":{"order":"00000000-0000-0000-0000-000000000005","product":"00000000-0000-0000-0000-000000000004","uses":100,"features":["email_verify","email_import"],"left":97,"owner":"00000000-0000-0000-0000-000000000006","revoked":true,"noted":true,"recent":[{"use":"00000000-0000-0000-0000-000000000007","units":3,"kept":1,"feature":"email_verify","reference":"call-7"}]}}"#,
                ),
                AggregateKind::ProviderSettings => (
                    1,
                    r#"{"settings":{"private_key":{"secret":{"sealed":"c2VhbGVk","digest":"ab12","last_four":"beef"}}}}"#,
                ),
                AggregateKind::Subscription => (
                    3,
                    r#"{"started":{"plan":{"product":"00000000-0000-0000-0000-000000000006","terms":{"period":{"days":30},"credits":100000000,"upgrade_policy":"next_cycle","grace_days":0},"price":{"minor":5000,"currency":"CNY"}},"next":{"product":"00000000-0000-0000-0000-000000000004","terms":{"period":{"months":1},"credits":100000000,"valid_days":31,"upgrade_policy":"immediate","grace_days":3},"price":{"minor":2000,"currency":"CNY"}},"period":{"number":2,"order":"00000000-0000-0000-0000-000000000007","starts_at":"2026-02-05T06:00:00Z","ends_at":"2026-03-05T06:00:00Z"},"count":{"from":"2026-01-05T06:00:00Z","months":2},"expires_at":"2026-03-08T06:00:00Z","cancel":{"sealed":"c2VhbGVk","at":"2026-01-05T06:00:00Z"},"ended":"canceled","orders":[{"order":"00000000-0000-0000-0000-000000000005","starts_at":"2026-01-05T06:00:00Z"},{"order":"00000000-0000-0000-0000-000000000007","starts_at":"2026-02-05T06:00:00Z"}],"changes":[{"order":"00000000-0000-0000-0000-000000000005","period":2,"before":{"product":"00000000-0000-0000-0000-000000000004","terms":{"period":{"months":1},"credits":100000000,"valid_days":31,"upgrade_policy":"immediate","grace_days":3},"price":{"minor":2000,"currency":"CNY"}}}]}}"#,
                ),
            };
            let state = folded(kind);
            assert_eq!((state.to_json().unwrap().as_str(), State::schema(kind)), (json, schema));
            assert_eq!(State::from_json(kind, json).unwrap(), state);
        }
    }

    #[test]
    fn an_empty_state_survives_its_snapshot() {
        for kind in AggregateKind::ALL.iter().copied() {
            let empty = State::empty(kind);
            assert_eq!(empty.kind(), kind);
            assert_eq!(State::from_json(kind, &empty.to_json().unwrap()).unwrap(), empty);
        }
    }

    #[test]
    fn an_event_of_another_kind_is_reported_and_changes_nothing() {
        let mut state = State::empty(AggregateKind::UserPackage);
        let mismatch = KindMismatch { state: AggregateKind::UserPackage, event: AggregateKind::CreditAccount };
        assert_eq!(state.apply(&stored()[0].0), Err(mismatch));
        assert_eq!(state, State::empty(AggregateKind::UserPackage));
    }
}
