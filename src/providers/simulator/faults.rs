//! What goes wrong at a simulator, as it was set: a JSON object whose members may be left out.

use serde::{Deserialize, Serialize};

use super::Call;

/// All of it holds until it is set anew; `{}` is a good day.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Faults {
    /// A notification comes so many times more, also after it was acknowledged.
    pub repeat: u32,
    /// The first of two notifications waits until the second one was sent.
    pub reorder: bool,
    /// A notification leaves so much later.
    pub delay_seconds: u32,
    /// Notifications never leave.
    pub lose: bool,
    /// One byte of what is signed is changed on its way, at each attempt.
    pub tamper: bool,
    /// So much is paid instead of what was asked for, in minor units.
    pub wrong_amount: Option<i64>,
    /// Whoever pays pays twice: two payments of one order.
    pub pay_twice: bool,
    /// So many calls that create a payment fail before anything happened.
    pub creates_fail_first: u32,
    /// So many calls that create a payment do it, and their answer is lost.
    pub create_answers_lost: u32,
    /// So many refunds fail before anything happened.
    pub refunds_fail_first: u32,
    /// So many refunds are done, and their answer is lost.
    pub refund_answers_lost: u32,
    /// Refunds are taken and stay pending until this is set back.
    pub refunds_pending: bool,
    /// Questions are not answered.
    pub silent_query: bool,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum CallFault {
    Fails,
    LosesItsAnswer,
}

impl Faults {
    /// What goes wrong with this call, counted.
    pub(super) fn of(&mut self, call: Call) -> Option<CallFault> {
        let (fails, lost) = match call {
            Call::Create => (&mut self.creates_fail_first, &mut self.create_answers_lost),
            Call::Refund => (&mut self.refunds_fail_first, &mut self.refund_answers_lost),
            Call::Query => return self.silent_query.then_some(CallFault::Fails),
            Call::Other => return None,
        };
        for (left, fault) in [(fails, CallFault::Fails), (lost, CallFault::LosesItsAnswer)] {
            if *left > 0 {
                *left -= 1;
                return Some(fault);
            }
        }
        None
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn calls_fail_first_then_lose_their_answer_then_work() {
        let mut faults = Faults { refunds_fail_first: 1, refund_answers_lost: 1, ..Faults::default() };
        assert_eq!(faults.of(Call::Create), None);
        assert_eq!(faults.of(Call::Refund), Some(CallFault::Fails));
        assert_eq!(faults.of(Call::Refund), Some(CallFault::LosesItsAnswer));
        assert_eq!(faults.of(Call::Refund), None);
        let mut faults = Faults { silent_query: true, ..Faults::default() };
        assert_eq!(faults.of(Call::Query), Some(CallFault::Fails));
        assert_eq!(faults.of(Call::Query), Some(CallFault::Fails));
    }
}
