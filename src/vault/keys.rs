//! Keys and what is done with them. All randomness and all cipher work is aws-lc's.
//!
//! ```text
//! wrapped key    0x01 || nonce (12) || ciphertext (32) || tag (16), associated data "account key" || account
//! sealed text    "v1." || base64url(nonce || ciphertext || tag),  associated data "sealed" || account || purpose
//! ```

use aggregates::AccountKey;
use aws_lc_rs::aead::{AES_256_GCM, Aad, NONCE_LEN, Nonce, RandomizedNonceKey};
use aws_lc_rs::{hkdf, hmac, rand};
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use secrecy::SecretString;
use zeroize::{Zeroize, Zeroizing};

use super::VaultError;

const KEY_BYTES: usize = 32;
const WRAPPED_VERSION: u8 = 1;
const SEALED_VERSION: &str = "v1.";
const DERIVATION_SALT: &[u8] = b"billing-ledger vault v1";

/// Wraps and unwraps the keys of accounts, and digests what the whole ledger looks things up by. Holds keys derived from
/// `LEDGER_MASTER_KEY`, never the key itself.
pub(super) struct MasterKey {
    wrap: RandomizedNonceKey,
    license_keys: hmac::Key,
}

impl MasterKey {
    pub(super) fn try_new(master_key: [u8; KEY_BYTES]) -> Result<Self, VaultError> {
        let master_key = Zeroizing::new(master_key);
        let wrapping = derive(&*master_key, b"wrap account keys")?;
        let license_keys = derive(&*master_key, b"digest license keys")?;
        Ok(Self { wrap: cipher(&wrapping)?, license_keys: hmac::Key::new(hmac::HMAC_SHA256, &*license_keys) })
    }

    pub(super) fn digest_license_key(&self, key: &str) -> String {
        hex::encode(hmac::sign(&self.license_keys, key.as_bytes()))
    }

    /// A new random key for `account`, wrapped.
    pub(super) fn new_wrapped(&self, account: AccountKey) -> Result<Vec<u8>, VaultError> {
        let mut key = Zeroizing::new([0; KEY_BYTES]);
        rand::fill(&mut *key).map_err(|_| VaultError::Crypto)?;
        let sealed = encrypt(&self.wrap, &wrapping_data(account), &*key)?;
        Ok([&[WRAPPED_VERSION], sealed.as_slice()].concat())
    }

    pub(super) fn unwrap(&self, account: AccountKey, wrapped: &[u8]) -> Result<AccountKeys, VaultError> {
        let Some((&WRAPPED_VERSION, sealed)) = wrapped.split_first() else { return Err(VaultError::WrongMasterKey) };
        let key = decrypt(&self.wrap, &wrapping_data(account), sealed).ok_or(VaultError::WrongMasterKey)?;
        let (sealing, digesting) = (derive(&key, b"seal")?, derive(&key, b"digest")?);
        Ok(AccountKeys { seal: cipher(&sealing)?, digest: hmac::Key::new(hmac::HMAC_SHA256, &*digesting) })
    }
}

/// One account's subkeys; the library wipes them when they are dropped.
pub(super) struct AccountKeys {
    seal: RandomizedNonceKey,
    digest: hmac::Key,
}

impl AccountKeys {
    pub(super) fn seal(&self, account: AccountKey, purpose: &str, plaintext: &str) -> Result<String, VaultError> {
        let sealed = encrypt(&self.seal, &sealing_data(account, purpose), plaintext.as_bytes())?;
        Ok(format!("{SEALED_VERSION}{}", URL_SAFE_NO_PAD.encode(sealed)))
    }

    pub(super) fn open(&self, account: AccountKey, purpose: &str, sealed: &str) -> Result<SecretString, VaultError> {
        let encoded = sealed.strip_prefix(SEALED_VERSION).ok_or(VaultError::NotSealed)?;
        let sealed = URL_SAFE_NO_PAD.decode(encoded).map_err(|_| VaultError::NotSealed)?;
        let opened = decrypt(&self.seal, &sealing_data(account, purpose), &sealed).ok_or(VaultError::DoesNotOpen)?;
        let text = std::str::from_utf8(&opened).map_err(|_| VaultError::DoesNotOpen)?;
        Ok(SecretString::from(text))
    }

    pub(super) fn digest(&self, text: &str) -> String {
        hex::encode(hmac::sign(&self.digest, text.as_bytes()))
    }
}

fn wrapping_data(account: AccountKey) -> Vec<u8> {
    [b"account key".as_slice(), account.uuid().as_bytes()].concat()
}

/// The account has a fixed length, so no purpose can be mistaken for part of it.
fn sealing_data(account: AccountKey, purpose: &str) -> Vec<u8> {
    [b"sealed".as_slice(), account.uuid().as_bytes(), purpose.as_bytes()].concat()
}

fn derive(secret: &[u8], purpose: &'static [u8]) -> Result<Zeroizing<[u8; KEY_BYTES]>, VaultError> {
    let mut derived = Zeroizing::new([0; KEY_BYTES]);
    let prk = hkdf::Salt::new(hkdf::HKDF_SHA256, DERIVATION_SALT).extract(secret);
    let info = [purpose];
    let okm = prk.expand(&info, hkdf::HKDF_SHA256).map_err(|_| VaultError::Crypto)?;
    okm.fill(&mut *derived).map_err(|_| VaultError::Crypto)?;
    Ok(derived)
}

fn cipher(key: &[u8; KEY_BYTES]) -> Result<RandomizedNonceKey, VaultError> {
    RandomizedNonceKey::new(&AES_256_GCM, key).map_err(|_| VaultError::Crypto)
}

fn encrypt(key: &RandomizedNonceKey, associated: &[u8], plaintext: &[u8]) -> Result<Vec<u8>, VaultError> {
    let mut in_out = plaintext.to_vec();
    match key.seal_in_place_append_tag(Aad::from(associated), &mut in_out) {
        Ok(nonce) => Ok([nonce.as_ref().as_slice(), in_out.as_slice()].concat()),
        Err(_) => {
            in_out.zeroize();
            Err(VaultError::Crypto)
        }
    }
}

fn decrypt(key: &RandomizedNonceKey, associated: &[u8], sealed: &[u8]) -> Option<Zeroizing<Vec<u8>>> {
    let (nonce, ciphertext) = sealed.split_first_chunk::<NONCE_LEN>()?;
    let mut in_out = Zeroizing::new(ciphertext.to_vec());
    let nonce = Nonce::assume_unique_for_key(*nonce);
    let length = key.open_in_place(nonce, Aad::from(associated), &mut in_out).ok()?.len();
    in_out.truncate(length);
    Some(in_out)
}

#[cfg(test)]
mod tests {
    use secrecy::ExposeSecret;
    use uuid::Uuid;

    use super::*;

    const ALICE: AccountKey = AccountKey::from_uuid(Uuid::from_u128(1));
    const BOB: AccountKey = AccountKey::from_uuid(Uuid::from_u128(2));

    fn keys_of(account: AccountKey) -> AccountKeys {
        let master = MasterKey::try_new([7; KEY_BYTES]).unwrap();
        master.unwrap(account, &master.new_wrapped(account).unwrap()).unwrap()
    }

    #[test]
    fn what_was_sealed_opens_for_the_same_account_and_purpose_only() {
        let keys = keys_of(ALICE);
        let sealed = keys.seal(ALICE, "profile", "alice@example.com").unwrap();
        assert_eq!(keys.open(ALICE, "profile", &sealed).unwrap().expose_secret(), "alice@example.com");
        assert!(matches!(keys.open(ALICE, "api key", &sealed), Err(VaultError::DoesNotOpen)));
        assert!(matches!(keys.open(BOB, "profile", &sealed), Err(VaultError::DoesNotOpen)));
        assert!(matches!(keys_of(ALICE).open(ALICE, "profile", &sealed), Err(VaultError::DoesNotOpen)));
    }

    #[test]
    fn any_changed_byte_is_noticed() {
        let keys = keys_of(ALICE);
        let sealed = keys.seal(ALICE, "profile", "x").unwrap();
        let bytes = URL_SAFE_NO_PAD.decode(&sealed[SEALED_VERSION.len()..]).unwrap();
        for at in 0..bytes.len() {
            let mut changed = bytes.clone();
            changed[at] ^= 1;
            let changed = format!("{SEALED_VERSION}{}", URL_SAFE_NO_PAD.encode(changed));
            assert!(matches!(keys.open(ALICE, "profile", &changed), Err(VaultError::DoesNotOpen)), "byte {at}");
        }
        for nonsense in ["", "v1", "v1.", "v2.AAAA", "v1.***", "plain text"] {
            assert!(keys.open(ALICE, "profile", nonsense).is_err(), "{nonsense:?}");
        }
    }

    #[test]
    fn a_wrapped_key_belongs_to_one_account_and_one_master_key() {
        let master = MasterKey::try_new([7; KEY_BYTES]).unwrap();
        let mut wrapped = master.new_wrapped(ALICE).unwrap();
        assert!(master.unwrap(ALICE, &wrapped).is_ok());
        assert!(matches!(master.unwrap(BOB, &wrapped), Err(VaultError::WrongMasterKey)));
        let other = MasterKey::try_new([8; KEY_BYTES]).unwrap();
        assert!(matches!(other.unwrap(ALICE, &wrapped), Err(VaultError::WrongMasterKey)));
        *wrapped.last_mut().unwrap() ^= 1;
        assert!(matches!(master.unwrap(ALICE, &wrapped), Err(VaultError::WrongMasterKey)));
        assert!(matches!(master.unwrap(ALICE, &[]), Err(VaultError::WrongMasterKey)));
    }

    #[test]
    fn sealing_twice_shows_nothing_in_common_and_digests_agree() {
        let keys = keys_of(ALICE);
        assert_ne!(keys.seal(ALICE, "p", "same").unwrap(), keys.seal(ALICE, "p", "same").unwrap());
        assert_eq!(keys.digest("same"), keys.digest("same"));
        assert_ne!(keys.digest("same"), keys.digest("other"));
        assert_ne!(keys.digest("same"), keys_of(ALICE).digest("same"));
        assert_eq!(keys.digest("same").len(), 64);
    }

    /// Stored: what a key is looked up by can never change. By hand: HKDF and HMAC of any other library.
    #[test]
    fn a_license_key_has_one_digest_in_the_whole_ledger_and_another_one_under_another_master_key() {
        let digest =
            |master| MasterKey::try_new([master; KEY_BYTES]).unwrap().digest_license_key("0123-4567-89AB-CDEF");
        assert_eq!(digest(7), digest(7));
        assert_eq!(digest(7), "0a35cfc69c828df2d63e2037f581cbc1e33a1918936279daf3ee253dcb8c3a10");
        assert_ne!(digest(7), digest(8));
    }
}
