use aggregates::product::{PutOnSale, TakenOffSale};
use aggregates::{AggregateId, DayRule, Money, PackageTerms, ProductKind};

use super::*;
use crate::facts::fold;

#[test]
fn the_last_word_on_a_product_counts() {
    let content = |name: &str| ProductContent {
        code: "monthly".parse().ok(),
        name: name.to_owned(),
        description: "a\0b".to_owned(),
        prices: vec![Money::from_minor(3_000, "CNY".parse().expect("a currency"))],
        sort_order: 1,
        kind: ProductKind::Package(PackageTerms {
            duration_days: 30,
            daily_limit: aggregates::Credits::whole(5),
            day: DayRule::Calendar,
            again: aggregates::Again::Extend,
        }),
    };
    let id = ProductId::numbered(1);
    let mut catalogue = Catalogue::default();
    let events = [
        ProductEvent::Created(content("first")),
        ProductEvent::TakenOffSale(TakenOffSale {}),
        ProductEvent::Changed(content("second")),
    ];
    fold(&mut catalogue, AggregateId::product(id), events.map(Event::from));
    let row = &catalogue.rows[&id];
    let seen = row.content.as_ref().expect("described");
    assert_eq!((seen.name.as_str(), row.on_sale), ("second", Some(false)));
    assert_eq!(seen.code.as_deref(), Some("monthly"));
    assert_eq!(seen.description, "a\u{fffd}b", "no column of PostgreSQL keeps a zero character");
    fold(&mut catalogue, AggregateId::product(id), [ProductEvent::PutOnSale(PutOnSale {}).into()]);
    assert_eq!(catalogue.rows[&id].on_sale, Some(true));
}
