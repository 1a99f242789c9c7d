//! Encodings and digests: Sprig's `strings.go` and `crypto.go`, without what makes or needs secrets.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use sha2::{Digest, Sha256, Sha512};

use super::{Answer, Call, Function, Value, function, text, text_at};

pub(super) const FUNCTIONS: &[Function] = &[
    function("b64enc", 1, 1, |_, arguments| text(&STANDARD.encode(text_at(arguments, 0)?))),
    function("b64dec", 1, 1, decode),
    function("sha256sum", 1, 1, |_, arguments| text(&hex(&Sha256::digest(text_at(arguments, 0)?)))),
    function("sha512sum", 1, 1, |_, arguments| text(&hex(&Sha512::digest(text_at(arguments, 0)?)))),
];

/// As Sprig, what is wrong becomes the value.
fn decode(_: &Call, arguments: &[Value]) -> Answer {
    match STANDARD.decode(text_at(arguments, 0)?) {
        Ok(bytes) => text(&String::from_utf8_lossy(&bytes)),
        Err(error) => text(&format!("illegal base64 data: {error}")),
    }
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}
