use super::query::transaction;
use crate::facts::time;

#[test]
fn a_transaction_number_is_the_time_and_what_proves_the_event() {
    let number = transaction(time("2026-01-05T06:07:08.9Z"), 0x0123_4567_89ab_cdef);
    assert_eq!(number, "TXN202601050607080123456789abcdef");
    assert_eq!(transaction(time("2026-01-05T06:07:08Z"), -1), "TXN20260105060708ffffffffffffffff");
    let of_one_second =
        [0x0123_4567_0000_0001, 0x0123_4567_0000_0002].map(|leaf| transaction(time("2026-01-05T06:07:08Z"), leaf));
    assert_ne!(of_one_second[0], of_one_second[1], "every digit counts");
}
