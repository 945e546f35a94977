//! Names of things.
//!
//! `AccountId` is the customer's own name (the `sub` of their token); `AccountKey` is what it hashes to and what the
//! log is keyed by; `LogPart` is the partition that follows from the key, fixed for ever. The rest are UUIDs that
//! cannot be mistaken for one another. Ids are never made here: they arrive in commands.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};
use thiserror::Error;
use uuid::Uuid;

use crate::kinds::AggregateKind;

pub const ACCOUNT_ID_BYTES_MAX: usize = 255;

/// How many partitions the log has. Every stored position depends on it: it can never change.
pub const LOG_PARTS: u16 = 256;

/// The account that the catalogue and the settings live in; no customer can have its name.
pub const SYSTEM_ACCOUNT: &str = "system";

#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
pub enum AccountIdError {
    #[error("an account needs a name")]
    Empty,
    #[error("the name of an account has at most {ACCOUNT_ID_BYTES_MAX} bytes")]
    TooLong,
    #[error("the name of an account cannot contain control characters")]
    ControlCharacter,
    #[error("this name is not one for customers")]
    Reserved,
}

#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct AccountId(String);

impl AccountId {
    pub fn try_new(name: &str) -> Result<Self, AccountIdError> {
        Self::check(name)?;
        Ok(Self(name.to_owned()))
    }

    /// The account of whoever is named in a token. The one name that customers cannot have is refused here; everywhere
    /// else it is an account like any other.
    pub fn of_customer(name: &str) -> Result<Self, AccountIdError> {
        let account = Self::try_new(name)?;
        if account.is_system() { Err(AccountIdError::Reserved) } else { Ok(account) }
    }

    pub fn system() -> Self {
        Self(SYSTEM_ACCOUNT.to_owned())
    }

    pub fn is_system(&self) -> bool {
        self.0 == SYSTEM_ACCOUNT
    }

    pub fn as_str(&self) -> &str {
        &self.0
    }

    pub fn key(&self) -> AccountKey {
        let digest = Sha256::new().chain_update(b"acct").chain_update(self.0.as_bytes()).finalize();
        let mut bytes = [0; 16];
        for (to, from) in bytes.iter_mut().zip(digest) {
            *to = from;
        }
        AccountKey(Uuid::from_bytes(bytes))
    }

    fn check(name: &str) -> Result<(), AccountIdError> {
        if name.is_empty() {
            return Err(AccountIdError::Empty);
        }
        if name.len() > ACCOUNT_ID_BYTES_MAX {
            return Err(AccountIdError::TooLong);
        }
        if name.chars().any(char::is_control) {
            return Err(AccountIdError::ControlCharacter);
        }
        Ok(())
    }
}

impl fmt::Display for AccountId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl FromStr for AccountId {
    type Err = AccountIdError;

    fn from_str(name: &str) -> Result<Self, AccountIdError> {
        Self::try_new(name)
    }
}

impl TryFrom<String> for AccountId {
    type Error = AccountIdError;

    fn try_from(name: String) -> Result<Self, AccountIdError> {
        Self::check(&name)?;
        Ok(Self(name))
    }
}

impl From<AccountId> for String {
    fn from(id: AccountId) -> Self {
        id.0
    }
}

/// One of the log's partitions; every `u8` names one.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct LogPart(u8);

impl LogPart {
    pub const fn new(number: u8) -> Self {
        Self(number)
    }

    pub const fn number(self) -> u8 {
        self.0
    }

    pub fn all() -> impl Iterator<Item = Self> {
        (0..=u8::MAX).map(Self)
    }
}

impl fmt::Display for LogPart {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

macro_rules! uuid_id {
    ($(#[$meta:meta])* $name:ident) => {
        $(#[$meta])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
        #[serde(transparent)]
        pub struct $name(Uuid);

        impl $name {
            pub const fn from_uuid(uuid: Uuid) -> Self {
                Self(uuid)
            }

            pub const fn uuid(&self) -> Uuid {
                self.0
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                self.0.fmt(f)
            }
        }

        impl FromStr for $name {
            type Err = uuid::Error;

            fn from_str(text: &str) -> Result<Self, uuid::Error> {
                text.parse().map(Self)
            }
        }
    };
}

uuid_id! {
    /// The first 16 bytes of `SHA-256("acct" || account id)`, as they are: no UUID version is stamped on them.
    AccountKey
}
uuid_id! {
    /// One request for change, said once or many times.
    CommandId
}
uuid_id! {
    /// A package that one customer bought.
    UserPackageId
}
uuid_id! {
    /// One gift of credits to one account.
    GrantId
}
uuid_id! {
    /// Something in the catalogue.
    ProductId
}
uuid_id! {
    /// Credits and quota set aside for work in progress.
    HoldId
}
uuid_id! {
    /// A key with a number of uses.
    LicenseId
}
uuid_id! {
    /// Units of a license that were taken at one time.
    UseId
}
uuid_id! {
    /// A plan that one account pays for period by period.
    SubscriptionId
}
uuid_id! {
    /// Money that goes back, said once or many times.
    RefundId
}
uuid_id! {
    /// One attempt to buy something.
    OrderId
}
uuid_id! {
    /// What happens outside after an order was fulfilled.
    DeliveryId
}

/// An id that follows from another one. Aggregates of one account must not share an id, whatever their kind is.
fn derived(from: Uuid, role: &str) -> Uuid {
    let digest = Sha256::new().chain_update(from.as_bytes()).chain_update(role.as_bytes()).finalize();
    let mut bytes = [0; 16];
    for (to, from) in bytes.iter_mut().zip(digest) {
        *to = from;
    }
    uuid::Builder::from_custom_bytes(bytes).into_uuid()
}

impl ProductId {
    /// The catalogue counts its products from 1; the number is what people say.
    pub const fn numbered(number: u32) -> Self {
        Self(Uuid::from_u128(number as u128))
    }

    /// `None`: not an id of the catalogue.
    pub fn number(&self) -> Option<u32> {
        u32::try_from(self.0.as_u128()).ok()
    }
}

impl OrderId {
    pub fn of_number(number: &crate::order::OrderNumber) -> Self {
        Self(derived(Uuid::nil(), number.as_str()))
    }
}

impl UserPackageId {
    /// An order delivers one package at most.
    pub fn of_order(order: OrderId) -> Self {
        Self(derived(order.0, "user_package"))
    }
}

impl LicenseId {
    /// An order delivers one license at most.
    pub fn of_order(order: OrderId) -> Self {
        Self(derived(order.0, "license"))
    }
}

impl SubscriptionId {
    /// An order starts one subscription at most.
    pub fn of_order(order: OrderId) -> Self {
        Self(derived(order.0, "subscription"))
    }
}

impl GrantId {
    /// An order grants credits once: those of a credit pack, of a subscription's period, or of a better plan.
    pub fn of_order(order: OrderId) -> Self {
        Self(derived(order.0, "grant"))
    }
}

impl RefundId {
    /// A payment that nothing is delivered for goes back once.
    pub fn of_payment(order: OrderId, provider: &str, payment_id: &str) -> Self {
        Self(derived(derived(derived(order.0, "refund"), provider), payment_id))
    }
}

impl DeliveryId {
    pub fn of_order(order: OrderId) -> Self {
        Self(derived(order.0, "delivery"))
    }
}

impl AccountKey {
    /// What `AccountId::system()` hashes to.
    pub const SYSTEM: Self = Self(Uuid::from_u128(0x487a_3d6e_4e06_4b87_886f_644e_3375_0642));

    pub fn log_part(&self) -> LogPart {
        // A big-endian number mod 256 is its last byte.
        let [_, low, ..] = *self.0.as_bytes();
        LogPart(low)
    }

    /// The id of something that an account has one of.
    pub(crate) fn derived(&self, role: &str) -> Uuid {
        derived(self.0, role)
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct AggregateId {
    pub kind: AggregateKind,
    pub id: Uuid,
}

impl AggregateId {
    /// There is one per account, so it needs no id of its own.
    pub fn credit_account(account: AccountKey) -> Self {
        Self { kind: AggregateKind::CreditAccount, id: account.uuid() }
    }

    pub fn user_package(package: UserPackageId) -> Self {
        Self { kind: AggregateKind::UserPackage, id: package.uuid() }
    }

    pub fn hold(hold: HoldId) -> Self {
        Self { kind: AggregateKind::Hold, id: hold.uuid() }
    }

    pub fn license(license: LicenseId) -> Self {
        Self { kind: AggregateKind::License, id: license.uuid() }
    }

    pub fn subscription(subscription: SubscriptionId) -> Self {
        Self { kind: AggregateKind::Subscription, id: subscription.uuid() }
    }
}

impl fmt::Display for AggregateId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}", self.kind, self.id)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// `printf 'acct%s' alice | sha256sum`: what is stored under a key must be found under it for ever.
    #[test]
    fn the_key_of_an_account_never_changes() {
        let key = AccountId::try_new("alice").unwrap().key();
        assert_eq!(key.to_string(), "5c0e8e18-2555-8509-4d12-7896d8f1eb55");
        assert_eq!(key.log_part().number(), 0x0e);
    }

    #[test]
    fn the_catalogue_has_an_account_that_no_customer_can_name() {
        assert_eq!(AccountId::system().key(), AccountKey::SYSTEM);
        assert_eq!(AccountId::of_customer(SYSTEM_ACCOUNT), Err(AccountIdError::Reserved));
        assert_eq!(AccountId::of_customer(""), Err(AccountIdError::Empty));
        assert_eq!(AccountId::of_customer("alice"), AccountId::try_new("alice"));
    }

    #[test]
    fn what_belongs_to_an_order_has_an_id_of_its_own_that_follows_from_it() {
        let order = OrderId::of_number(&"ORD20260105060000deadbeef".parse().unwrap());
        let ids = [order.uuid(), UserPackageId::of_order(order).uuid(), DeliveryId::of_order(order).uuid()];
        let account = AccountId::try_new("alice").unwrap().key();
        let singles =
            [AggregateId::credit_account(account), AggregateId::holdings(account), AggregateId::customer(account)];
        let all: std::collections::BTreeSet<_> = ids.into_iter().chain(singles.map(|single| single.id)).collect();
        assert_eq!(all.len(), 6);
        // Stored: they can never change.
        assert_eq!(
            ids.map(|id| id.to_string()),
            [
                "ce38f156-cb30-82be-bc94-9993a60a968b",
                "acf60083-3e07-84a0-8480-81f6dc36c746",
                "ba789ff2-bea0-8e68-adb5-88f6f0dd4560"
            ]
        );
        assert_eq!(
            singles.map(|single| single.id.to_string()),
            [
                "5c0e8e18-2555-8509-4d12-7896d8f1eb55",
                "fcdab515-50e8-8d1d-9a80-2b7de94667dd",
                "71ba16cd-7192-88bb-8006-9da373b6ae03"
            ]
        );
    }

    #[test]
    fn what_an_order_delivers_has_ids_of_its_own_for_ever() {
        let order = OrderId::of_number(&"ORD20260105060000deadbeef".parse().unwrap());
        let delivered = [
            LicenseId::of_order(order).uuid(),
            SubscriptionId::of_order(order).uuid(),
            GrantId::of_order(order).uuid(),
            RefundId::of_payment(order, "sandbox", "p-1").uuid(),
        ];
        assert_eq!(
            delivered.map(|id| id.to_string()),
            [
                "b2b861c5-f217-838d-9614-7cc3b908eb10",
                "034c2a95-ad70-8757-968b-c5349ebc89c8",
                "74fa2ed5-1544-8a0e-aa38-87cde0649209",
                "3a436780-66fc-882a-8745-20e88af1d4f7"
            ]
        );
        assert_ne!(RefundId::of_payment(order, "sandbox", "p-1"), RefundId::of_payment(order, "sandbox", "p-2"));
    }

    #[test]
    fn an_aggregate_is_named_by_its_kind_and_its_id() {
        let one = Uuid::from_u128(1);
        for (id, kind) in [
            (AggregateId::hold(HoldId::from_uuid(one)), "hold"),
            (AggregateId::license(LicenseId::from_uuid(one)), "license"),
            (AggregateId::subscription(SubscriptionId::from_uuid(one)), "subscription"),
        ] {
            assert_eq!(id.to_string(), format!("{kind} {one}"));
            assert_eq!(AggregateKind::from_name(kind), Some(id.kind));
        }
        assert_eq!(AggregateKind::from_name("invoice"), None);
    }

    #[test]
    fn names_are_written_as_they_are_read() {
        let alice: AccountId = "alice".parse().unwrap();
        assert_eq!((alice.as_str(), alice.to_string()), ("alice", "alice".to_owned()));
        let json = serde_json::to_string(&alice).unwrap();
        assert_eq!(serde_json::from_str::<AccountId>(&json).unwrap(), alice);
        let order = OrderId::from_uuid(Uuid::from_u128(7));
        assert_eq!(order.to_string().parse(), Ok(order));
        assert!("7".parse::<OrderId>().is_err());
        assert_eq!(LogPart::new(14).to_string(), "14");
    }

    #[test]
    fn a_product_is_called_by_its_number() {
        assert_eq!(ProductId::numbered(7).number(), Some(7));
        assert_eq!(ProductId::from_uuid(Uuid::from_u128(1 << 32)).number(), None);
    }

    #[test]
    fn the_partition_is_the_first_two_bytes_mod_256() {
        for sample in 0..2_000_u32 {
            let key = AccountId::try_new(&format!("customer-{sample}")).unwrap().key();
            let [high, low, ..] = *key.uuid().as_bytes();
            assert_eq!(u16::from(key.log_part().number()), u16::from_be_bytes([high, low]) % LOG_PARTS);
        }
        assert_eq!(LogPart::all().count(), usize::from(LOG_PARTS));
    }

    #[test]
    fn an_account_has_a_short_printable_name() {
        assert_eq!(AccountId::try_new(""), Err(AccountIdError::Empty));
        assert_eq!(AccountId::try_new(&"x".repeat(256)), Err(AccountIdError::TooLong));
        assert_eq!(AccountId::try_new("a\nb"), Err(AccountIdError::ControlCharacter));
        assert_eq!(AccountId::try_new("a\u{85}b"), Err(AccountIdError::ControlCharacter));
        assert!(AccountId::try_new(&"x".repeat(255)).is_ok());
        assert!(serde_json::from_str::<AccountId>("\"\"").is_err());
    }
}
