//! Standard Webhooks 1.0: how a receiver knows that a request is ours, fresh and whole.
//! <https://github.com/standard-webhooks/standard-webhooks/blob/main/spec/standard-webhooks.md>

use super::HttpError;
use base64::Engine;
use base64::alphabet::STANDARD as ALPHABET;
use base64::engine::general_purpose::STANDARD;
use base64::engine::{DecodePaddingMode, GeneralPurpose, GeneralPurposeConfig};
use hmac::{Hmac, KeyInit, Mac};
use sha2::Sha256;
use std::fmt;

/// Secrets are seen with and without the `=` at the end.
const LENIENT: GeneralPurpose = GeneralPurpose::new(
    &ALPHABET,
    GeneralPurposeConfig::new().with_decode_padding_mode(DecodePaddingMode::Indifferent),
);

/// A secret shared with a receiver. Shows itself as `***`.
#[derive(Clone)]
pub struct SigningSecret(Hmac<Sha256>);

impl SigningSecret {
    /// A text that begins with `whsec_` is the rest of it, decoded from base64; any other is its own bytes.
    ///
    /// # Errors
    /// If it is empty, or not base64 after the prefix.
    pub fn parse(text: &str) -> Result<Self, HttpError> {
        let decoded = match text.strip_prefix("whsec_") {
            Some(encoded) => LENIENT.decode(encoded).map_err(|_| {
                HttpError("`sign` begins with whsec_ but what follows is not base64; copy it again".into())
            })?,
            None => text.as_bytes().to_vec(),
        };
        if decoded.is_empty() {
            return Err(HttpError("`sign` is empty; leave it out, or give 24 to 64 random bytes".into()));
        }
        Ok(Self(Hmac::new_from_slice(&decoded).expect("HMAC takes keys of any length")))
    }

    fn signature(&self, id: &str, timestamp: &str, body: &[u8]) -> String {
        let mut mac = self.0.clone();
        for part in [id.as_bytes(), b".", timestamp.as_bytes(), b".", body] {
            mac.update(part);
        }
        format!("v1,{}", STANDARD.encode(mac.finalize().into_bytes()))
    }
}

impl fmt::Debug for SigningSecret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("***")
    }
}

/// The value of `webhook-signature`: one signature per secret, in their order. `timestamp` is in seconds.
pub(super) fn signatures(secrets: &[SigningSecret], id: &str, timestamp: &str, body: &[u8]) -> String {
    let each: Vec<String> = secrets.iter().map(|secret| secret.signature(id, timestamp, body)).collect();
    each.join(" ")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn secret(text: &str) -> SigningSecret {
        SigningSecret::parse(text).expect("a good secret")
    }

    /// The example of the specification's reference libraries.
    #[test]
    fn signature_is_the_specifications() {
        let signed = signatures(
            &[secret("whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw")],
            "msg_p5jXN8AQM9LWM0D4loKWxJek",
            "1614265330",
            br#"{"test": 2432232314}"#,
        );
        assert_eq!(signed, "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=");
    }

    #[test]
    fn secret_without_prefix_is_its_own_bytes_and_each_secret_signs() {
        let signed =
            signatures(&[secret("plain secret"), secret("whsec_c2Vjb25kIHNlY3JldA")], "id-1", "1700000000", b"{}");
        let parts: Vec<&str> = signed.split(' ').collect();
        assert_eq!(parts, [PLAIN, SECOND]);
    }

    // python3: base64(hmac(key, b"id-1.1700000000.{}", sha256)) with the keys b"plain secret" and b"second secret".
    const PLAIN: &str = "v1,BvZ9QgiYW4fyeL15pklYT5C/+M/SXrVvbr8ApK7BWrQ=";
    const SECOND: &str = "v1,3I4PBbsFFlQDdzyr78stM/nE1G325TzMNoaebQPg9AQ=";

    #[test]
    fn secret_that_can_not_work_is_refused_and_none_is_shown() {
        for text in ["", "whsec_", "whsec_!!"] {
            let error = SigningSecret::parse(text).expect_err("not a secret");
            assert!(error.to_string().starts_with("`sign` "), "{error}");
        }
        assert_eq!(format!("{:?}", secret("very secret")), "***");
    }
}
