//! Templates, their copies, and who tidies up.

use std::sync::atomic::AtomicUsize;
use std::sync::atomic::Ordering::SeqCst;

use super::super::databases::template_name;
use super::*;

async fn fail(_: PgConnectOptions) -> std::result::Result<(), &'static str> {
    Err("the migration has a typo")
}

async fn databases(shared: &Shared) -> Vec<String> {
    let mut connection = shared.address.connect_options("postgres").connect().await.unwrap();
    sqlx::query_scalar("SELECT datname FROM pg_database ORDER BY 1").fetch_all(&mut connection).await.unwrap()
}

async fn until_removed(shared: &Shared, name: &str) {
    let deadline = Instant::now() + DEADLINE;
    while databases(shared).await.iter().any(|known| known == name) {
        assert!(Instant::now() < deadline, "{name} is still there");
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_template_is_made_once_and_every_database_is_a_copy_of_its_own() {
    let state = State::new();
    let shared = join(&state).await;
    let made = AtomicUsize::new(0);
    let counted = |options| {
        made.fetch_add(1, SeqCst);
        migrate(options)
    };
    let (one, two) = tokio::join!(shared.database("entries", counted), shared.database("entries", counted));
    let (one, two) = (one.unwrap(), two.unwrap());
    assert_eq!(made.load(SeqCst), 1);

    let mut in_one = one.connect_options().connect().await.unwrap();
    sqlx::raw_sql("INSERT INTO entries VALUES ('mine')").execute(&mut in_one).await.unwrap();
    let mut in_two = two.url().parse::<PgConnectOptions>().unwrap().connect().await.unwrap();
    let rows: i64 = sqlx::query_scalar("SELECT count(*) FROM entries").fetch_one(&mut in_two).await.unwrap();
    assert_eq!(rows, 0);
    let durability: String = sqlx::query_scalar("SHOW fsync").fetch_one(&mut in_two).await.unwrap();
    assert_eq!(durability, "off");

    drop(shared.database("entries, changed", counted).await.unwrap());
    assert_eq!(made.load(SeqCst), 2);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_half_made_template_is_thrown_away() {
    let state = State::new();
    let shared = join(&state).await;
    let error = shared.database("entries", fail).await.unwrap_err();
    assert_eq!(error.to_string(), "the template database `entries` could not be made: the migration has a typo");
    let building = format!("{}_building", template_name("entries"));
    assert!(databases(&shared).await.contains(&building));

    let database = shared.database("entries", migrate).await.unwrap();
    assert!(!databases(&shared).await.contains(&building));
    database.connect_options().connect().await.unwrap().ping().await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_migration_may_leave_its_connections_open() {
    let state = State::new();
    let shared = join(&state).await;
    let left_open = Mutex::new(Vec::new());
    let careless = async |options: PgConnectOptions| {
        let connection = options.connect().await?;
        left_open.lock().unwrap().push(connection);
        Ok::<_, sqlx::Error>(())
    };
    shared.database("careless", careless).await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn databases_are_removed_by_their_owner_or_after_it() {
    let state = State::new();
    let shared = join(&state).await;
    let database = shared.database("entries", migrate).await.unwrap();
    let name = database.name().to_owned();
    let _still_open = database.connect_options().connect().await.unwrap();
    drop(database);
    until_removed(&shared, &name).await;

    let kept = shared.database("entries", migrate).await.unwrap();
    let member = Member::arrives(&state, 0);
    let orphan = member.database.clone();
    member.dies();
    assert!(databases(&shared).await.contains(&orphan));
    let _newcomer = join(&state).await;
    until_removed(&shared, &orphan).await;
    kept.connect_options().connect().await.unwrap().ping().await.unwrap();
}

#[test]
fn a_runtime_may_end_and_the_next_test_still_gets_its_database() {
    for _ in 0..2 {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        runtime.block_on(async {
            let database = test_database("entries", migrate).await.unwrap();
            let mut connection = database.connect_options().connect().await.unwrap();
            sqlx::raw_sql("INSERT INTO entries VALUES ('mine')").execute(&mut connection).await.unwrap();
        });
    }
}
