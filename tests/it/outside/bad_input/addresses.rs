//! Paths, queries, headers.

use reqwest::Method;

use super::{Case, Scene, Who, case};

const ORDERS: &str = "/api/v1/payments/orders";
const CHARGE: &str = "/api/v1/usage";
const CREDITS: &str = "/api/v1/user/credits";
const NOTE: &str = "/api/v1/keys/00000000-0000-0000-0000-000000000007/note";
const CHARGE_OF_ALICE: &str = r#"{"account": "alice", "amount": 1}"#;

pub(super) fn cases(scene: &Scene) -> Vec<Case> {
    let mut cases = paths(scene);
    cases.extend(queries());
    cases.extend(headers());
    cases
}

fn paths(scene: &Scene) -> Vec<Case> {
    let bobs = &scene.order;
    let look = |name: &str, path: String, refused| case(name, Who::Alice, Method::GET, path, refused);
    vec![
        look("somebody else's order", format!("{ORDERS}/{bobs}"), (404, "E3003")),
        case(
            "somebody else's order cancelled",
            Who::Alice,
            Method::POST,
            format!("{ORDERS}/{bobs}/cancel"),
            (404, "E4050"),
        ),
        look("no order", format!("{ORDERS}/ORD20200101000000deadbeef"), (404, "E3003")),
        case(
            "no order cancelled",
            Who::Alice,
            Method::POST,
            format!("{ORDERS}/ORD20200101000000deadbeef/cancel"),
            (404, "E4050"),
        ),
        look("an order named nonsense", format!("{ORDERS}/nonsense"), (404, "E3003")),
        look("an order named by SQL", format!("{ORDERS}/'%20OR%20true--"), (404, "E3003")),
        look("an order named NUL", format!("{ORDERS}/%00"), (404, "E3003")),
        look("an order named by bytes that are no text", format!("{ORDERS}/%ff"), (400, "E1011")),
        look("an endless path", format!("{ORDERS}/{}", "o".repeat(4_000)), (404, "E3003")),
        case(
            "no order for an admin",
            Who::Admin,
            Method::GET,
            "/api/v1/admin/orders/ORD20200101000000deadbeef",
            (404, "E3003"),
        ),
        case("an order named x for an admin", Who::Admin, Method::GET, "/api/v1/admin/orders/x", (404, "E3003")),
        look("an order as admins see it", format!("/api/v1/admin/orders/{bobs}"), (403, "E2005")),
        look("no such path", "/api/v1/nothing".to_owned(), (404, "E3001")),
        look("a path out of the tree", "/api/../../etc/passwd".to_owned(), (404, "E3001")),
        case("a method nobody knows", Who::Alice, Method::PATCH, "/api/packages", (405, "E3002")),
        case("a list deleted", Who::Alice, Method::DELETE, ORDERS, (405, "E3002")),
        case("a charge that is got", Who::Alice, Method::GET, CHARGE, (405, "E3002")),
    ]
}

fn queries() -> Vec<Case> {
    let orders =
        |name: &str, query: &str| case(name, Who::Alice, Method::GET, format!("{ORDERS}?{query}"), (400, "E1012"));
    let lines = |name: &str, query: &str| {
        case(name, Who::Alice, Method::GET, format!("/api/v1/user/transactions?{query}"), (400, "E1012"))
    };
    let days = |name: &str, query: &str| {
        case(name, Who::Alice, Method::GET, format!("/api/user/daily-usage?{query}"), (400, "E1012"))
    };
    let admin = |name: &str, path: &str| case(name, Who::Admin, Method::GET, path, (400, "E1012"));
    vec![
        orders("a limit of 0", "limit=0"),
        orders("a limit of 201", "limit=201"),
        orders("a limit of -1", "limit=-1"),
        orders("a limit of 1e2", "limit=1e2"),
        orders("no limit said", "limit="),
        orders("a limit twice", "limit=1&limit=2"),
        orders("a status nobody knows", "status=stolen"),
        orders("a parameter nobody knows", "account=bob"),
        orders("from yesterday", "from=yesterday"),
        orders("to the 31st of February", "to=2026-02-31T00:00:00Z"),
        orders("a query that is no text", "status=%ff"),
        orders("a cursor of nonsense", "cursor=!"),
        orders("an empty cursor", "cursor="),
        orders("a cursor of another list", "cursor=MTI"),
        orders("a cursor that is no order", "cursor=IngiCg"),
        orders("a cursor with a NUL", "cursor=IlwwIg"),
        orders("an endless cursor", &format!("cursor={}", "A".repeat(3_000))),
        lines("a cursor of orders on a statement", "cursor=Ik9SRCI"),
        lines("a cursor of half a line", "cursor=MS41"),
        lines("a limit of a thousand lines", "limit=1000"),
        days("from the 13th month", "from=2026-13-01"),
        days("to nonsense", "to=now"),
        days("from after to", "from=2026-02-01&to=2026-01-01"),
        days("to a day before the calendar", "to=-200000-01-01"),
        days("from a day before the calendar", "from=-200000-01-01&to=-200000-01-02"),
        days("to the year 0", "to=0000-06-01"),
        days("to the year 10000", "to=%2B10000-01-01"),
        orders("from before the calendar", "from=-200000-01-01T00:00:00Z"),
        orders("to before the calendar", "to=-4713-01-01T00:00:00Z"),
        orders("to after the calendar", "to=%2B262142-01-01T00:00:00Z"),
        days("more than a year", "from=2020-01-01&to=2026-01-01"),
        days("a history beyond the calendar", "from=-262143-01-01&to=%2B262142-12-31"),
        admin("deliveries of the system", "/api/v1/admin/deliveries?account=system"),
        admin("orders of a NUL account", "/api/v1/admin/orders?account=a%00"),
        admin("packages by a parameter nobody knows", "/api/admin/packages?colour=red"),
        admin("packages after nonsense", "/api/admin/packages?cursor=W10"),
        admin("offers by a parameter nobody knows", "/api/packages?colour=red"),
        admin("products by a parameter nobody knows", "/api/v1/payments/products?limit=0"),
        lines("lines of a kind nobody knows", "type=refund"),
        lines("lines of an order that is none", "order_no=7"),
        lines("lines of a reference that is NUL", "reference=%00"),
        lines("lines of two references", "reference=a&reference=b"),
        admin("all orders of a number that is none", "/api/v1/admin/orders?order_no=x"),
        admin("all orders of a payment named NUL", "/api/v1/admin/orders?payment_id=%00"),
        admin("all orders of a provider named NUL", "/api/v1/admin/orders?provider=%00"),
        admin("all orders of product minus one", "/api/v1/admin/orders?product=-1"),
        admin("all orders of a product beyond counting", "/api/v1/admin/orders?product=4294967296"),
        admin("all orders that are perhaps late", "/api/v1/admin/orders?late=perhaps"),
        admin("all orders of a type nobody knows", "/api/v1/admin/orders?type=ticket"),
        admin("mismatches of an order that is none", "/api/v1/admin/orders/mismatches?order_no=x"),
        admin("mismatches of the system", "/api/v1/admin/orders/mismatches?account=system"),
        admin("refunds of an order that is none", "/api/v1/admin/refunds?order_no=x"),
        admin("products of a type nobody knows", "/api/v1/admin/products?type=ticket"),
        admin("products on sale of a type nobody knows", "/api/v1/payments/products?type=ticket"),
        admin("packages of a type", "/api/packages?type=package"),
        admin("all subscriptions in a state nobody knows", "/api/v1/admin/subscriptions?status=asleep"),
        lines("lines from before the calendar", "from=-200000-01-01T00:00:00Z"),
        admin("deliveries in a state nobody knows", "/api/v1/admin/deliveries?state=lost"),
        admin("deliveries after nonsense", "/api/v1/admin/deliveries?cursor=W10"),
        admin("mismatches after nonsense", "/api/v1/admin/orders/mismatches?cursor=W10"),
        admin("all orders from before the calendar", "/api/v1/admin/orders?from=-200000-01-01T00:00:00Z"),
        admin("all orders to after the calendar", "/api/v1/admin/orders?to=%2B262142-01-01T00:00:00Z"),
        // ["-200000-01-01T00:00:00Z", a UUID]; then a time too late; then of mismatches, and one with a NUL in a name.
        admin(
            "deliveries before the calendar",
            "/api/v1/admin/deliveries?cursor=WyItMjAwMDAwLTAxLTAxVDAwOjAwOjAwWiIsIjAwMDAwMDAwLTAwMDAtODAwMC04MDAwLTAwMDAwMDAwMDAwMCJd",
        ),
        admin(
            "deliveries after the calendar",
            "/api/v1/admin/deliveries?cursor=WyIrMjYyMTQyLTAxLTAxVDAwOjAwOjAwWiIsIjAwMDAwMDAwLTAwMDAtODAwMC04MDAwLTAwMDAwMDAwMDAwMCJd",
        ),
        admin(
            "mismatches before the calendar",
            "/api/v1/admin/orders/mismatches?cursor=WyItMjAwMDAwLTAxLTAxVDAwOjAwOjAwWiIsImEiLCJiIl0",
        ),
        admin(
            "mismatches after a NUL",
            "/api/v1/admin/orders/mismatches?cursor=WyIyMDI2LTAxLTAxVDAwOjAwOjAwWiIsImFcdTAwMDAiLCJiIl0",
        ),
        admin(
            "mismatches of a payment named NUL",
            "/api/v1/admin/orders/mismatches?cursor=WyIyMDI2LTAxLTAxVDAwOjAwOjAwWiIsImEiLCJcdTAwMDAiXQ",
        ),
    ]
}

fn headers() -> Vec<Case> {
    let charge = |name: &str, who, refused| case(name, who, Method::POST, CHARGE, refused).body(CHARGE_OF_ALICE);
    let key = |name: &str, value: &[u8]| charge(name, Who::Service, (400, "E1013")).header("idempotency-key", value);
    let after = |name: &str, value: &str| {
        case(name, Who::Alice, Method::GET, "/api/v1/user/credits", (400, "E1013")).header("ledger-position", value)
    };
    let account = |name: &str, value: &[u8]| charge(name, Who::Service, (400, "E1013")).header("x-account-id", value);
    vec![
        key("an empty idempotency key", b""),
        key("an idempotency key with a space", b"a b"),
        key("an idempotency key that is no text", b"\xff"),
        key("an idempotency key too long", &[b'k'; 256]),
        key("an idempotency key twice", b"a").header("idempotency-key", "b"),
        after("a position of nonsense", "nonsense"),
        after("a position without a place", "17"),
        after("a position in partition 256", "256.1"),
        after("a negative position", "17.-1"),
        after("a position beyond counting", "17.9223372036854775808"),
        after("a position nobody has written yet", "17.9223372036854775807"),
        after("a position twice", "17.1").header("ledger-position", "17.2"),
        account("an empty account in the header", b""),
        account("an account in the header that is no text", b"\xff"),
        account("the system's account in the header", b"system"),
        account("two accounts in the header", b"alice").header("x-account-id", "alice"),
        charge("an account in the header and another in the body", Who::Service, (422, "E1005"))
            .header("x-account-id", "bob"),
        charge("two accounts of a customer", Who::Alice, (422, "E1005")).header("x-account-id", "bob"),
        case("somebody else's account in the header", Who::Alice, Method::POST, CHARGE, (403, "E2006"))
            .header("x-account-id", "bob")
            .body(r#"{"amount": 1}"#),
        case("somebody else's account in the body", Who::Alice, Method::POST, CHARGE, (403, "E2006"))
            .body(r#"{"account": "bob", "amount": 1}"#),
        case(
            "a customer's credits for an auditor who names nobody",
            Who::Auditor,
            Method::GET,
            CREDITS,
            (400, "E1013"),
        )
        .header("x-account-id", ""),
        case("the system's credits for an admin", Who::Admin, Method::GET, CREDITS, (400, "E1013"))
            .header("x-account-id", "system"),
        case("a customer's key annotated by an admin", Who::Admin, Method::PUT, NOTE, (403, "E2006"))
            .header("x-account-id", "alice")
            .body(r#"{"note": "n"}"#),
        case("a customer's orders for an admin who is none", Who::Admin, Method::GET, ORDERS, (403, "E2006"))
            .header("x-account-id", "alice"),
        case("a charge of a customer by an auditor", Who::Auditor, Method::POST, CHARGE, (403, "E2005"))
            .header("x-account-id", "alice")
            .body(r#"{"amount": 1}"#),
        case("somebody else's credits", Who::Alice, Method::GET, "/api/v1/user/credits", (403, "E2006"))
            .header("x-account-id", "bob"),
    ]
}
