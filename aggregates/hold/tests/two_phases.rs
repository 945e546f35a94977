//! Cases of transfers in two phases that a ledger in the open is tested with (TigerBeetle), told as holds of credits.
//!
//! There a transfer moves between two accounts; here one account pays, and what is posted is spent.

use super::*;

enum Step {
    Reserve(u128, &'static str, &'static str),
    Charge(&'static str),
    Settle(u128, &'static str),
    Release(u128),
    TimeOut(u128),
    /// Available, frozen.
    Stands(&'static str, &'static str),
    Clock(&'static str),
}

use Step::{Charge as Pay, Clock, Release as Void, Reserve as Pend, Settle as Post, Stands, TimeOut};

const SOON: &str = "2026-01-05T04:00:01Z";
const LATE: &str = "2026-01-05T04:00:50Z";
const NEVER: &str = "2026-12-31T00:00:00Z";

/// Each step, and what it says: `done`, `nothing`, or the code of a refusal.
fn tell(account: &mut Account, story: &[(Step, &str)]) {
    for (number, (step, expected)) in story.iter().enumerate() {
        let said = match step {
            Pend(hold, amount, expires_at) => {
                account.says(&super::Reserve { expires_at: time(expires_at), ..reserve(*hold, amount) })
            }
            Pay(amount) => account.charge(amount),
            Post(hold, amount) => account.settle(*hold, amount),
            Void(hold) => account.release(*hold),
            TimeOut(hold) => account.time_out(*hold),
            Stands(available, frozen) => {
                let [is_available, is_frozen, owed] = account.credits();
                assert_eq!([&*is_available, &*is_frozen, &*owed], [available, frozen, "0.00"], "step {number}");
                ""
            }
            Clock(moment) => {
                account.at(moment);
                ""
            }
        };
        assert_eq!(said, *expected, "step {number}");
    }
}

#[test]
fn a_first_phase_sets_aside_and_a_second_posts_or_voids_it() {
    let mut account = Account::new().granted(1, "100", None);
    tell(
        &mut account,
        &[
            // The first phase; the first of them is not pending at all.
            (Pay("15"), "done"),
            (Pend(2, "15", NEVER), "done"),
            (Pend(3, "15", LATE), "done"),
            (Pend(4, "15", SOON), "done"),
            (Pend(5, "7", LATE), "done"),
            (Pend(6, "1", NEVER), "done"),
            (Pend(7, "1", NEVER), "done"),
            (Stands("31.00", "54.00"), ""),
            (Clock(SOON), ""),
            // Posted for less than was pending; said again it exists, with another amount it does not fit.
            (Post(2, "13"), "done"),
            (Post(2, "14"), "E4083"),
            (Post(2, "15"), "E4083"),
            (Post(2, "12"), "E4083"),
            (Post(2, "13"), "nothing"),
            // What is not pending is neither posted nor voided.
            (Void(103), "E4080"),
            (Post(103, "16"), "E4080"),
            // More than is pending.
            (Post(3, "16"), "E4082"),
            (Void(2), "E4083"),
            (Void(3), "done"),
            (Void(3), "nothing"),
            (Post(3, "13"), "E4084"),
            (Post(4, "15"), "E4085"),
            (TimeOut(4), "done"),
            (Post(4, "15"), "E4085"),
            // Whole, and nothing of it.
            (Post(5, "8"), "E4082"),
            (Post(5, "7"), "done"),
            (Post(5, "7"), "nothing"),
            (Post(5, "8"), "E4083"),
            (Post(5, "6"), "E4083"),
            (Post(5, "0"), "E4083"),
            (Post(6, "2"), "E4082"),
            (Post(6, "1"), "done"),
            (Post(6, "1"), "nothing"),
            (Post(6, "2"), "E4083"),
            (Post(6, "0"), "E4083"),
            (Post(7, "0"), "done"),
            (Post(7, "0"), "nothing"),
            (Post(7, "1"), "E4083"),
            // 15 + 13 + 7 + 1 + 0 were posted.
            (Stands("64.00", "0.00"), ""),
        ],
    );
}

#[test]
fn the_largest_amount_there_is_goes_through_both_phases() {
    let most = "9223372036854.775807";
    let mut account = Account::new().granted(1, most, None);
    tell(
        &mut account,
        &[
            (Pend(1, most, NEVER), "done"),
            (Stands("0.00", most), ""),
            (Pend(2, "0.000001", NEVER), "E4001"),
            (Post(1, most), "done"),
            (Post(1, most), "nothing"),
            (Stands("0.00", "0.00"), ""),
        ],
    );
}

#[test]
fn what_is_pending_expires_each_at_its_time_and_is_then_not_posted() {
    let mut account = Account::new().granted(1, "46", None);
    tell(
        &mut account,
        &[
            (Pend(1, "10", NEVER), "done"),
            (Pend(2, "11", "2026-01-05T04:00:01Z"), "done"),
            (Pend(3, "12", "2026-01-05T04:00:02Z"), "done"),
            (Pend(4, "13", "2026-01-05T04:00:03Z"), "done"),
            (Stands("0.00", "46.00"), ""),
            (Clock("2026-01-05T04:00:01Z"), ""),
            (TimeOut(2), "done"),
            (TimeOut(3), "E4086"),
            (Stands("11.00", "35.00"), ""),
            (Clock("2026-01-05T04:00:02Z"), ""),
            (TimeOut(3), "done"),
            (Stands("23.00", "23.00"), ""),
            (Clock("2026-01-05T04:00:03Z"), ""),
            (TimeOut(4), "done"),
            (Stands("36.00", "10.00"), ""),
            (Post(1, "10"), "done"),
            (Post(2, "11"), "E4085"),
            (Post(3, "12"), "E4085"),
            (Post(4, "13"), "E4085"),
            (Stands("36.00", "0.00"), ""),
        ],
    );
}

#[test]
fn an_id_is_one_transfer_and_is_looked_at_first() {
    let mut account = Account::new().granted(1, "200", None);
    tell(
        &mut account,
        &[
            (Pend(5, "123", LATE), "done"),
            (Pend(5, "124", LATE), "E4081"),
            (Pend(5, "0", LATE), "E4081"),
            (Pend(5, "9999", LATE), "E4081"),
            (Pend(5, "123", SOON), "E4081"),
            (Pend(5, "123", LATE), "nothing"),
            (Stands("77.00", "123.00"), ""),
        ],
    );
}

#[test]
fn pending_and_posted_together_never_exceed_what_there_is() {
    let mut account = Account::new().granted(1, "100", None);
    tell(
        &mut account,
        &[
            (Pay("40"), "done"),
            (Pend(1, "50", LATE), "done"),
            (Pend(2, "11", LATE), "E4001"),
            (Pay("11"), "E4001"),
            (Pend(2, "10", LATE), "done"),
            (Pay("0.000001"), "E4001"),
            (Void(1), "done"),
            (Pay("50"), "done"),
            (Post(2, "10"), "done"),
            (Stands("0.00", "0.00"), ""),
        ],
    );
}

#[test]
fn a_timeout_beyond_what_is_allowed_is_refused_and_the_id_is_free() {
    let mut account = Account::new().granted(1, "100", None);
    tell(
        &mut account,
        &[
            (Pend(1, "10", "2027-01-06T00:00:00Z"), "E4087"),
            (Pend(1, "200", LATE), "E4001"),
            (Pend(1, "10", LATE), "done"),
        ],
    );
}
