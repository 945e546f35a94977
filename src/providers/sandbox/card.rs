//! The test cards. A number is looked at and forgotten: it is neither stored nor logged, nor said back.

use super::wire;
use crate::providers::{Decline, NoticeError};

const PAYS: &str = "4242424242424242";
const DECLINED: &str = "4000000000000002";
const INSUFFICIENT_FUNDS: &str = "4000000000009995";

/// Spaces between the digits are as they are printed on a card. `pointer` is where the number was.
pub(crate) fn pay_with(pointer: &str, number: &str) -> Result<(), NoticeError> {
    let digits: String = number.chars().filter(|c| *c != ' ').collect();
    match digits.as_str() {
        PAYS => Ok(()),
        DECLINED => Err(NoticeError::Declined(Decline::Card)),
        INSUFFICIENT_FUNDS => Err(NoticeError::Declined(Decline::InsufficientFunds)),
        _ => Err(wire::at(pointer, "is none of the test cards".to_owned())),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_test_card_does_what_it_is_for() {
        for number in ["4242 4242 4242 4242", "4242424242424242"] {
            assert!(pay_with("/card_number", number).is_ok());
        }
        for (number, why) in [("4000 0000 0000 0002", Decline::Card), ("4000000000009995", Decline::InsufficientFunds)]
        {
            let declined = pay_with("/card_number", number);
            assert!(matches!(declined, Err(NoticeError::Declined(decline)) if decline == why));
        }
    }

    #[test]
    fn a_number_is_never_said_back() {
        for number in ["", "4242", "4111111111111111", "4242\t424242424242"] {
            let refused = pay_with("/card_number", number).unwrap_err();
            assert!(matches!(refused, NoticeError::Malformed { .. }));
            assert!(number.is_empty() || !refused.to_string().contains(number));
        }
    }
}
