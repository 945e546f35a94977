//! `billing-ledger dev`: one command, everything in one folder, a clean end, and a second start that goes on.

use std::os::unix::fs::PermissionsExt;
use std::path::Path;

use nix::sys::signal::Signal;
use serde_json::json;

use super::harness::{order_no, payment};
use super::http::{Caller, client};
use super::journey::items;
use super::program::{Program, run_well};
use crate::support::eventually;

/// A running `dev`, and the tokens it printed.
struct Dev {
    program: Program,
    base: String,
    printed: String,
}

impl Dev {
    async fn start(folder: &Path) -> Self {
        let folder = folder.to_str().expect("text");
        let mut program = Program::spawn(&["dev", "--data-dir", folder, "--listen", "127.0.0.1:0"], &Vec::new());
        let base = program.listening().await;
        let printed = program.out();
        Self { program, base, printed }
    }

    /// Somebody whose token it printed as `export <NAME>_TOKEN=…`.
    fn who(&self, name: &str) -> Caller {
        let prefix = format!("export {name}_TOKEN=");
        let token = self.printed.lines().find_map(|line| line.strip_prefix(&prefix));
        Caller::new(&client(), &self.base, Some(token.unwrap_or_else(|| panic!("no {prefix} in {}", self.printed))))
    }

    /// Ctrl-C.
    async fn stop(self, folder: &Path) {
        let (status, log) = self.program.end(Signal::SIGINT).await;
        assert_eq!(status.code(), Some(0), "{log}");
        assert_eq!(processes_of(folder), Vec::<String>::new(), "it leaves nobody behind");
    }
}

#[tokio::test]
async fn dev_starts_from_nothing_ends_cleanly_and_goes_on_where_it_was() {
    // Unlike the private folder that `tempfile` makes by itself, the database's user may enter this one.
    let mut folder = tempfile::Builder::new();
    let folder = folder.permissions(std::fs::Permissions::from_mode(0o755)).tempdir().expect("a folder");
    let data = folder.path().join("data");

    let dev = Dev::start(&data).await;
    let order = buys_the_demo_package(&dev).await;
    dev.who("ADMIN").get("/api/admin/packages").await.expect(200);
    let charged = json!({"account": "alice", "amount": "0.25", "reference": "r-1"});
    dev.who("GATEWAY").post("/api/v1/usage", charged.clone()).await.expect(200);
    let mail = mail_about(&data, &order).await;
    assert!(mail.contains("alice@example.com"), "{mail}");
    dev.stop(&data).await;

    // The second start has the first one's data, takes its tokens, and makes nothing twice.
    let again = Dev::start(&data).await;
    let seen = again.who("ALICE").get(&format!("/api/v1/payments/orders/{order}")).await.expect(200).json();
    assert_eq!(seen["status"], "fulfilled", "{seen}");
    assert!(again.who("GATEWAY").post("/api/v1/usage", charged).await.expect(200).is_replay());
    let offers = items(&again.who("ALICE").get("/api/packages").await.expect(200).json());
    assert_eq!(offers.len(), 1, "the demo catalogue is there once: {offers:?}");
    let folder = data.to_str().expect("text");
    let token = run_well(&["token", "--data-dir", folder, "--sub", "alice"], &Vec::new()).await;
    Caller::new(&client(), &again.base, Some(token.trim())).get("/api/v1/user/credits").await.expect(200);
    again.stop(&data).await;
}

async fn buys_the_demo_package(dev: &Dev) -> String {
    let alice = dev.who("ALICE");
    let offers = eventually("the demo catalogue", async || {
        Some(items(&alice.get("/api/packages").await.expect(200).json())).filter(|offers| !offers.is_empty())
    })
    .await;
    let bought = alice.post_nothing(&format!("/api/packages/{}/purchase", offers[0]["id"])).await.expect(201);
    let order = order_no(&bought);
    let anybody = Caller::new(&client(), &dev.base, None);
    anybody.post("/api/v1/payments/notify", payment(&order, "demo-1")).await.expect(200);
    order
}

/// Waits for a mail with this in it, under `mail/`.
async fn mail_about(data: &Path, order: &str) -> String {
    eventually("a mail as a file", async || {
        let files = std::fs::read_dir(data.join("mail")).expect("a folder").map(|file| file.expect("a file").path());
        let mails = files.filter(|path| path.extension().is_some_and(|it| it == "eml"));
        mails.map(|path| std::fs::read_to_string(path).expect("a mail")).find(|mail| {
            let message = mail_parser::MessageParser::default().parse(mail.as_bytes()).expect("a message");
            message.body_text(0).is_some_and(|text| text.contains(order) && text.contains("sk-"))
        })
    })
    .await
}

/// Everything that runs in this folder or was started with it.
fn processes_of(folder: &Path) -> Vec<String> {
    let folder = folder.to_str().expect("text");
    let numbered = |name: &str| !name.is_empty() && name.bytes().all(|byte| byte.is_ascii_digit());
    let all = std::fs::read_dir("/proc").expect("processes").filter_map(Result::ok).map(|entry| entry.path());
    let all = all.filter(|path| path.file_name().and_then(|name| name.to_str()).is_some_and(numbered));
    all.filter_map(|process| {
        let words = std::fs::read(process.join("cmdline")).unwrap_or_default();
        let words = String::from_utf8_lossy(&words).replace('\0', " ");
        let home = std::fs::read_link(process.join("cwd")).unwrap_or_default();
        (words.contains(folder) || home.starts_with(folder)).then_some(words)
    })
    .collect()
}

/// A setting that is missing or malformed is one line that names it, and no start.
#[tokio::test]
async fn serve_names_the_setting_that_keeps_it_from_starting() {
    let good: Vec<(&'static str, &str)> = vec![
        ("DATABASE_URL", "postgres://nobody@127.0.0.1:1/none"),
        ("JWT_SECRET", "0123456789abcdef0123456789abcdef"),
        ("LEDGER_MASTER_KEY", "00112233445566778899aabbccddeeff00112233445566778899aabbccddeeff"),
    ];
    for (name, value) in [
        ("DATABASE_URL", ""),
        ("JWT_SECRET", ""),
        ("LEDGER_MASTER_KEY", ""),
        ("LEDGER_MASTER_KEY", "dev-00112233445566778899aabbccddeeff00112233445566778899aabbccddeeff"),
        ("JWT_SECRET", "dev-00112233445566778899aabbccddeeff"),
        ("LISTEN", "nowhere"),
        ("BILLING_TIMEZONE", "Mars/Olympus"),
        ("ORDER_TTL_SECONDS", "-1"),
        ("SANDBOX", "maybe"),
    ] {
        let mut env: Vec<(&'static str, String)> = good.iter().map(|(name, it)| (*name, (*it).to_owned())).collect();
        env.retain(|(known, _)| *known != name);
        env.push((name, value.to_owned()));
        let output = super::program::run(&["serve"], &env).await;
        let said = String::from_utf8_lossy(&output.stderr);
        assert_eq!(output.status.code(), Some(1), "{name}: {said}");
        let errors: Vec<&str> = said.lines().filter(|line| line.starts_with("error: ")).collect();
        assert_eq!(errors.len(), 1, "{name}: {said}");
        assert!(errors[0].contains(name), "{name} is not named: {said}");
        assert!(value.is_empty() || !said.contains(value), "{name}: its value is repeated: {said}");
    }
}
