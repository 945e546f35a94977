//! Mail through a real conversation, and into a folder.

use aggregates::Locale;
use billing_ledger::mail::{MailError, MailOptions, Mailer, PackageReady, Recipient, Via};
use secrecy::SecretString;
use uuid::Uuid;

use super::scene::{EMAIL, NAME, mailer};
use crate::support::eventually;
use crate::support::smtp::{Accident, SmtpServer, read};

const DELIVERY: Uuid = Uuid::from_u128(7);

async fn send(mailer: &Mailer) -> Result<String, MailError> {
    let key = SecretString::from("sk-0123456789");
    let content = PackageReady {
        customer_name: NAME,
        order_number: "ORD20260105060000abcdef01",
        package_name: ".基础套餐",
        price: "30.00 CNY",
        daily_limit: "5.00",
        duration_days: 30,
        starts_at: "2026-01-05 14:00",
        ends_at: "2026-02-04 14:00",
        time_zone: "Asia/Shanghai",
        api_key: &key,
        api_url: "http://localhost:3000",
        dashboard_url: "http://localhost:8080/dashboard",
    };
    let to = Recipient { name: NAME.to_owned(), email: EMAIL.to_owned() };
    mailer.package_ready(DELIVERY, &to, Locale::ZhCn, &content).await
}

#[tokio::test]
async fn a_mail_arrives_as_it_was_written_and_again_under_the_same_id() {
    let smtp = SmtpServer::start().await;
    let mailer = mailer(&smtp);
    for _ in 0..2 {
        assert_eq!(send(&mailer).await.unwrap(), format!("{DELIVERY}@ledger.example"));
    }
    let [first, second] = &smtp.mails()[..] else { panic!("two mails") };
    assert_eq!((first.id.as_str(), first.to.as_str()), (format!("{DELIVERY}@ledger.example").as_str(), EMAIL));
    assert_eq!(first.id, second.id);
    assert!(first.text.contains("sk-0123456789") && first.html.contains("sk-0123456789"));
    assert!(first.subject.contains("ORD20260105060000abcdef01"));
}

#[tokio::test]
async fn trouble_that_passes_is_told_from_a_refusal_for_good() {
    let smtp = SmtpServer::start().await;
    for (accident, permanent) in [
        (Accident::Absent, false),
        (Accident::AtSender("451 try later"), false),
        (Accident::AtSender("530 authentication required"), false),
        (Accident::AtRecipient("452 full wang@example.com"), false),
        (Accident::AtRecipient("550 no such user wang@example.com"), true),
        (Accident::AtRecipient("554 5.1.1 wang@example.com does not exist"), true),
        (Accident::AtRecipient("554 5.7.1 wang@example.com: relay access denied"), false),
        (Accident::AtSender("550 sender rejected"), false),
        (Accident::AtData("554 looks like spam to wang@example.com"), false),
        (Accident::DropsBeforeData, false),
        (Accident::DropsAfterData, false),
        (Accident::Silent, false),
    ] {
        smtp.plan(&[accident]);
        // A connection from before must not stand in for the one that has the accident.
        let error = send(&mailer(&smtp)).await.unwrap_err();
        assert_eq!(error.is_permanent(), permanent, "{accident:?}: {error}");
        assert!(!error.to_string().contains("wang"), "{error}");
        assert_eq!(smtp.accidents_left(), 0, "{accident:?}");
    }
    send(&mailer(&smtp)).await.unwrap();
}

/// What a job's runner does to a handler whose lease is lost.
#[tokio::test]
async fn a_mail_that_nobody_waits_for_any_more_is_broken_off_and_harms_no_other() {
    let smtp = SmtpServer::start().await;
    let mailer = mailer(&smtp);
    send(&mailer).await.unwrap();
    smtp.plan(&[Accident::Silent]);
    let sending = tokio::spawn({
        let mailer = mailer.clone();
        async move { send(&mailer).await }
    });
    eventually("the conversation to stand still", async || (smtp.accidents_left() == 0).then_some(())).await;
    sending.abort();
    assert!(sending.await.unwrap_err().is_cancelled());
    send(&mailer).await.unwrap();
    assert_eq!(smtp.mails().len(), 2);
}

#[tokio::test]
async fn a_mail_server_that_is_not_there_is_trouble_that_passes() {
    let via = Via::Smtp(SecretString::from("smtp://127.0.0.1:1"));
    let options = MailOptions { via, from: "a@example.com".to_owned(), templates_dir: None };
    let error = send(&Mailer::try_new(&options).unwrap()).await.unwrap_err();
    assert_eq!(error, MailError::Connection);
}

#[tokio::test]
async fn a_folder_holds_one_whole_file_for_each_mail() {
    let folder = tempfile::tempdir().unwrap();
    let via = Via::Folder(folder.path().join("mail"));
    let options = MailOptions { via, from: "Ledger <billing@ledger.example>".to_owned(), templates_dir: None };
    let mailer = Mailer::try_new(&options).unwrap();
    for _ in 0..2 {
        send(&mailer).await.unwrap();
    }
    let files: Vec<_> =
        std::fs::read_dir(folder.path().join("mail")).unwrap().map(|file| file.unwrap().path()).collect();
    let [file] = &files[..] else { panic!("one file: {files:?}") };
    assert_eq!(file.file_name().unwrap().to_str().unwrap(), format!("{DELIVERY}@ledger.example.eml"));
    let mail = read(&std::fs::read(file).unwrap());
    assert_eq!(mail.to, EMAIL);
    assert!(mail.text.contains("sk-0123456789"));
}

#[test]
fn a_setting_that_cannot_work_is_named_without_its_value() {
    let smtp = |url: &str| Via::Smtp(SecretString::from(url));
    let options = |via, from: &str| MailOptions { via, from: from.to_owned(), templates_dir: None };
    for (options, names) in [
        (options(smtp("http://hidden@host"), "a@example.com"), "SMTP_URL"),
        (options(smtp("hidden"), "a@example.com"), "SMTP_URL"),
        (options(smtp("smtp://host"), "hidden"), "MAIL_FROM"),
        (options(smtp("smtp://me:hidden@mail.example.com:587"), "a@example.com"), "SMTP_URL"),
    ] {
        let error = Mailer::try_new(&options).err().unwrap().to_string();
        assert!(error.contains(names) && !error.contains("hidden"), "{error}");
    }
}
