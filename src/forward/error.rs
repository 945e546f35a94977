//! What can go wrong on the way to a key. These sentences are recorded in the log: no personal data, no secrets.

use reqwest::StatusCode;

#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ForwardError {
    #[error("the forward service cannot be reached")]
    Unreachable,
    #[error("the forward service did not answer in time")]
    TimedOut,
    #[error("the connection to the forward service broke before its answer was complete")]
    Broken,
    #[error("the forward service answered HTTP {}{}", .status.as_u16(), quoted(.said.as_deref()))]
    Status { status: StatusCode, said: Option<String> },
    #[error("the forward service answered with {what} instead of JSON")]
    NotJson { what: &'static str },
    #[error("the forward service refused{}", quoted(.said.as_deref()))]
    Refused { said: Option<String> },
    #[error("the forward service's answer has no usable {field}")]
    Implausible { field: &'static str },
    #[error("the forward service's answer is longer than {max_kib} KiB")]
    TooLarge { max_kib: usize },
    #[error("the request could not be written")]
    Request,
}

impl ForwardError {
    /// Of the client's own error only the kind is kept: its text names addresses.
    pub(super) fn of_call(error: reqwest::Error) -> Self {
        if error.is_timeout() {
            Self::TimedOut
        } else if error.is_connect() {
            Self::Unreachable
        } else {
            Self::Broken
        }
    }
}

fn quoted(text: Option<&str>) -> String {
    text.map(|text| format!(": {text}")).unwrap_or_default()
}
