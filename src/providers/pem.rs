//! Keys as consoles hand them out: PEM, or the base64 of the same DER without its lines.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use rustls::pki_types::pem::{PemObject, SectionKind};

/// What a PEM says that it is, and its DER. `None`: it is no PEM.
pub(super) fn section(text: &str) -> Option<(SectionKind, Vec<u8>)> {
    // Settings that travel through an environment often have their lines written out.
    let text = if text.contains("\\n") { text.replace("\\n", "\n") } else { text.to_owned() };
    <(SectionKind, Vec<u8>)>::from_pem_slice(text.as_bytes()).ok()
}

/// The bytes of base64, however it is broken into lines.
pub(super) fn bare(text: &str) -> Option<Vec<u8>> {
    let text: String = text.split_whitespace().collect();
    STANDARD.decode(text).ok()
}
