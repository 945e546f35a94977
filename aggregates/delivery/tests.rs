use super::*;
use crate::label::BadLabel;
use crate::reason::BadReason;
use crate::spec::{Given, id, time};

use DeliveryStep::{CreateKey, SendMail};

fn given(events: impl IntoIterator<Item = DeliveryEvent>) -> Given<Delivery> {
    crate::spec::given(events)
}

fn now() -> DateTime<Utc> {
    time("2026-01-05T06:00:00Z")
}

fn order() -> OrderId {
    id(1, OrderId::from_uuid)
}

fn user_package() -> UserPackageId {
    id(2, UserPackageId::from_uuid)
}

fn request() -> DeliveryCommand {
    DeliveryCommand::Request { order: order(), user_package: user_package() }
}

fn requested() -> DeliveryEvent {
    DeliveryEvent::Requested(Requested { order: order(), user_package: user_package(), at: now() })
}

fn create_key(key_id: &str, last_four: &str) -> DeliveryCommand {
    DeliveryCommand::KeyCreated { key_id: key_id.to_owned(), last_four: last_four.to_owned() }
}

fn key_created() -> DeliveryEvent {
    DeliveryEvent::KeyCreated(KeyCreated { key_id: "k-1".to_owned(), last_four: "a1b2".to_owned(), at: now() })
}

fn send_mail(message_id: &str) -> DeliveryCommand {
    DeliveryCommand::MailSent { message_id: message_id.to_owned() }
}

fn mail_sent() -> DeliveryEvent {
    DeliveryEvent::MailSent(MailSent { message_id: "<1@mail>".to_owned(), at: now() })
}

fn fail(step: DeliveryStep, attempt: u32) -> DeliveryCommand {
    DeliveryCommand::AttemptFailed { step, attempt, reason: "HTTP 502".to_owned() }
}

fn failed(step: DeliveryStep, attempt: u32) -> DeliveryEvent {
    DeliveryEvent::AttemptFailed(AttemptFailed { step, attempt, reason: "HTTP 502".to_owned(), at: now() })
}

fn given_up(step: DeliveryStep, attempts: u32) -> DeliveryEvent {
    DeliveryEvent::GivenUp(GivenUp { step, attempts, at: now() })
}

fn retried(step: DeliveryStep) -> DeliveryEvent {
    DeliveryEvent::Retried(Retried { step, at: now() })
}

fn delivered() -> Given<Delivery> {
    given([requested(), key_created(), mail_sent()])
}

#[test]
fn a_delivery_is_requested_once_for_one_order() {
    let other = DeliveryCommand::Request { order: order(), user_package: id(3, UserPackageId::from_uuid) };
    given([])
        .when(now(), request())
        .then([requested()])
        .when(now(), request())
        .then_nothing()
        .when(now(), other)
        .then_refused(DeliveryError::Differs);
}

#[test]
fn first_the_key_then_the_mail_then_nothing() {
    let delivery = given([requested()])
        .when(now(), send_mail("<1@mail>"))
        .then_refused(DeliveryError::NoKeyYet)
        .when(now(), create_key("k-1", "a1b2"))
        .then([key_created()])
        .when(now(), send_mail("<1@mail>"))
        .then([mail_sent()])
        .state();
    assert_eq!(delivery.progress().unwrap().next, None);
}

#[test]
fn an_outcome_said_again_changes_nothing() {
    given([requested(), key_created()]).when(now(), create_key("k-1", "a1b2")).then_nothing();
    delivered()
        .when(now(), request())
        .then_nothing()
        .when(now(), create_key("k-1", "a1b2"))
        .then_nothing()
        .when(now(), send_mail("<1@mail>"))
        .then_nothing()
        .when(now(), send_mail("<2@mail>"))
        .then_nothing();
}

#[test]
fn a_second_key_for_the_same_order_is_refused() {
    for (key_id, last_four) in [("k-2", "a1b2"), ("k-1", "ffff")] {
        given([requested(), key_created()])
            .when(now(), create_key(key_id, last_four))
            .then_refused(DeliveryError::KeyDiffers);
    }
}

#[test]
fn no_more_than_the_last_four_characters_of_a_key_are_written_down() {
    for last_four in ["a1b2c", "", "a\n"] {
        given([requested()]).when(now(), create_key("k-1", last_four)).then_refused(DeliveryError::NotLastFour);
    }
    for (key_id, message_id) in [("", "\0"), (&*"x".repeat(129), "")] {
        given([requested()]).when(now(), create_key(key_id, "a1b2")).then_refused(BadLabel.into());
        given([requested(), key_created()]).when(now(), send_mail(message_id)).then_refused(BadLabel.into());
    }
}

#[test]
fn each_failed_attempt_is_recorded_once() {
    given([requested()])
        .when(now(), fail(CreateKey, 1))
        .then([failed(CreateKey, 1)])
        .when(now(), fail(CreateKey, 1))
        .then_nothing()
        .when(now(), fail(CreateKey, 2))
        .then([failed(CreateKey, 2)])
        .when(now(), fail(CreateKey, 1))
        .then_nothing()
        .when(now(), fail(CreateKey, 0))
        .then_nothing();
}

#[test]
fn attempts_count_anew_with_each_step() {
    given([requested(), failed(CreateKey, 1), failed(CreateKey, 2), key_created()])
        .when(now(), fail(SendMail, 1))
        .then([failed(SendMail, 1)]);
}

#[test]
fn a_failure_of_a_step_that_is_not_next_is_old_news() {
    given([requested()]).when(now(), fail(SendMail, 1)).then_nothing();
    given([requested(), key_created()]).when(now(), fail(CreateKey, 1)).then_nothing();
    delivered().when(now(), fail(SendMail, 1)).then_nothing();
}

#[test]
fn a_failure_says_why() {
    let silent = DeliveryCommand::AttemptFailed { step: CreateKey, attempt: 1, reason: String::new() };
    given([requested()]).when(now(), silent).then_refused(BadReason.into());
}

#[test]
fn a_step_is_given_up_once_with_the_number_of_attempts() {
    given([requested(), failed(CreateKey, 1), failed(CreateKey, 2)])
        .when(now(), DeliveryCommand::GiveUp { step: SendMail })
        .then_nothing()
        .when(now(), DeliveryCommand::GiveUp { step: CreateKey })
        .then([given_up(CreateKey, 2)])
        .when(now(), DeliveryCommand::GiveUp { step: CreateKey })
        .then_nothing();
    delivered().when(now(), DeliveryCommand::GiveUp { step: SendMail }).then_nothing();
}

#[test]
fn what_failed_is_retried_by_hand_and_its_attempts_count_anew() {
    given([requested(), failed(CreateKey, 1), failed(CreateKey, 2), given_up(CreateKey, 2)])
        .when(now(), DeliveryCommand::Retry)
        .then([retried(CreateKey)])
        .when(now(), DeliveryCommand::Retry)
        .then_nothing()
        .when(now(), fail(CreateKey, 1))
        .then([failed(CreateKey, 1)])
        .when(now(), DeliveryCommand::Retry)
        .then([retried(CreateKey)]);
}

#[test]
fn there_is_nothing_to_retry_before_a_failure_or_after_the_end() {
    given([requested()]).when(now(), DeliveryCommand::Retry).then_nothing();
    delivered().when(now(), DeliveryCommand::Retry).then_refused(DeliveryError::Done);
}

/// Somebody gave up on a request whose answer was only late.
#[test]
fn success_counts_even_after_giving_up() {
    let delivery = given([requested(), failed(CreateKey, 1), given_up(CreateKey, 1)])
        .when(now(), create_key("k-1", "a1b2"))
        .then([key_created()])
        .state();
    let progress = delivery.progress().unwrap();
    assert_eq!((progress.next, progress.failed, progress.given_up), (Some(SendMail), 0, false));
}

#[test]
fn nothing_is_known_of_a_delivery_that_nobody_asked_for() {
    for command in [
        create_key("k-1", "a1b2"),
        send_mail("<1@mail>"),
        fail(CreateKey, 1),
        DeliveryCommand::GiveUp { step: CreateKey },
        DeliveryCommand::Retry,
    ] {
        given([]).when(now(), command).then_refused(DeliveryError::NotRequested);
    }
}

fn withdraw() -> DeliveryCommand {
    DeliveryCommand::Withdraw { reason: "refunded".to_owned() }
}

fn withdrawn(step: DeliveryStep) -> DeliveryEvent {
    DeliveryEvent::Withdrawn(Withdrawn { step, reason: "refunded".to_owned(), at: now() })
}

#[test]
fn what_was_given_back_is_not_delivered_any_more_and_not_by_hand_either() {
    for (before, step) in [
        (vec![requested()], CreateKey),
        (vec![requested(), failed(CreateKey, 1), given_up(CreateKey, 1)], CreateKey),
        (vec![requested(), key_created()], SendMail),
    ] {
        let delivery = given(before)
            .when(now(), withdraw())
            .then([withdrawn(step)])
            .when(now(), withdraw())
            .then_nothing()
            .when(now(), DeliveryCommand::Retry)
            .then_refused(DeliveryError::Withdrawn)
            .when(now(), fail(step, 9))
            .then_nothing()
            .when(now(), DeliveryCommand::GiveUp { step })
            .then_nothing()
            .state();
        let progress = delivery.progress().unwrap();
        assert_eq!((progress.next, progress.withdrawn, progress.given_up), (None, true, false));
    }
}

#[test]
fn what_is_delivered_or_was_never_asked_for_is_not_withdrawn() {
    delivered().when(now(), withdraw()).then_nothing();
    given([]).when(now(), withdraw()).then_nothing();
    let silent = DeliveryCommand::Withdraw { reason: String::new() };
    given([requested()]).when(now(), silent).then_refused(BadReason.into());
}

/// The call was under way, and so was the mail.
#[test]
fn what_came_about_after_it_was_withdrawn_is_recorded_and_asks_for_nothing_more() {
    let delivery = given([requested(), withdrawn(CreateKey)])
        .when(now(), send_mail("<1@mail>"))
        .then_refused(DeliveryError::NoKeyYet)
        .when(now(), create_key("k-1", "a1b2"))
        .then([key_created()])
        .when(now(), DeliveryCommand::Retry)
        .then_refused(DeliveryError::Withdrawn)
        .state();
    assert_eq!(delivery.progress().unwrap().next, None);
    given([requested(), key_created(), withdrawn(SendMail)])
        .when(now(), send_mail("<1@mail>"))
        .then([mail_sent()])
        .when(now(), send_mail("<1@mail>"))
        .then_nothing()
        .when(now(), DeliveryCommand::Retry)
        .then_refused(DeliveryError::Done);
}

#[test]
fn a_step_is_written_as_it_is_said() {
    for step in [CreateKey, SendMail] {
        assert_eq!(serde_json::to_string(&step).unwrap(), format!("{:?}", step.as_str()));
    }
}

/// The log never holds such a thing; whatever reads it must not fall over it.
#[test]
fn an_event_out_of_turn_changes_nothing() {
    assert_eq!(given([key_created()]).state(), Delivery::NotRequested);
    let twice = given([requested(), key_created(), requested()]).state();
    assert_eq!(twice.progress().unwrap().next, Some(CreateKey));
}
