//! Standard Webhooks 1.0: how a receiver knows that a request is ours, fresh and whole.
//! <https://github.com/standard-webhooks/standard-webhooks/blob/main/spec/standard-webhooks.md>

use super::HttpError;
use base64::Engine;
use base64::alphabet::STANDARD as ALPHABET;
use base64::engine::general_purpose::STANDARD;
use base64::engine::{DecodePaddingMode, GeneralPurpose, GeneralPurposeConfig};
use hmac::{Hmac, KeyInit, Mac};
use ring::signature::Ed25519KeyPair;
use sha2::Sha256;
use std::fmt;
use std::sync::Arc;

/// Secrets are seen with and without the `=` at the end.
const LENIENT: GeneralPurpose = GeneralPurpose::new(
    &ALPHABET,
    GeneralPurposeConfig::new().with_decode_padding_mode(DecodePaddingMode::Indifferent),
);

/// An ed25519 key: the seed alone, or with the public key behind it.
const SEED_LEN: usize = 32;
const PAIR_LEN: usize = 64;

/// What signs for a receiver. Shows itself as `***`.
#[derive(Clone)]
pub enum SigningSecret {
    /// Shared with the receiver: `v1`.
    Shared(Hmac<Sha256>),
    /// Ours alone, the receiver has the public key: `v1a`.
    Private(Arc<Ed25519KeyPair>),
}

impl SigningSecret {
    /// A text that begins with `whsec_` is the rest of it, decoded from base64, and shared; one that begins with `whsk_` is an
    /// ed25519 private key, likewise; any other is shared and its own bytes.
    ///
    /// # Errors
    /// If it is empty, or not base64 after the prefix, or no key.
    pub fn parse(text: &str) -> Result<Self, HttpError> {
        if let Some(encoded) = text.strip_prefix("whsk_") {
            return Self::private(encoded);
        }
        if text.starts_with("whpk_") {
            return Err(HttpError("`sign` is a public key; give the private one, which begins with whsk_".into()));
        }
        let decoded = match text.strip_prefix("whsec_") {
            Some(encoded) => LENIENT.decode(encoded).map_err(|_| {
                HttpError("`sign` begins with whsec_ but what follows is not base64; copy it again".into())
            })?,
            None => text.as_bytes().to_vec(),
        };
        if decoded.is_empty() {
            return Err(HttpError("`sign` is empty; leave it out, or give 24 to 64 random bytes".into()));
        }
        Ok(Self::Shared(Hmac::new_from_slice(&decoded).expect("HMAC takes keys of any length")))
    }

    fn private(encoded: &str) -> Result<Self, HttpError> {
        let wrong = |what: &str| HttpError(format!("`sign` begins with whsk_ but {what}; copy it again"));
        let decoded = LENIENT.decode(encoded).map_err(|_| wrong("what follows is not base64"))?;
        let pair = match decoded.len() {
            SEED_LEN => Ed25519KeyPair::from_seed_unchecked(&decoded),
            PAIR_LEN => {
                let (seed, public) = decoded.split_at(SEED_LEN);
                Ed25519KeyPair::from_seed_and_public_key(seed, public)
            }
            _ => return Err(wrong("what follows is neither 32 nor 64 bytes")),
        };
        let pair = pair.map_err(|_| wrong("its private and its public half do not belong together"))?;
        Ok(Self::Private(Arc::new(pair)))
    }

    fn signature(&self, id: &str, timestamp: &str, body: &[u8]) -> String {
        let parts = [id.as_bytes(), b".", timestamp.as_bytes(), b".", body];
        match self {
            Self::Shared(secret) => {
                let mut mac = secret.clone();
                parts.iter().for_each(|part| mac.update(part));
                format!("v1,{}", STANDARD.encode(mac.finalize().into_bytes()))
            }
            Self::Private(pair) => format!("v1a,{}", STANDARD.encode(pair.sign(&parts.concat()))),
        }
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

    /// Likewise: the one of the specification's asymmetric scheme, with the same content.
    #[test]
    fn asymmetric_signature_is_the_specifications() {
        for key in [PAIR, SEED] {
            let signed =
                signatures(&[secret(key)], "msg_p5jXN8AQM9LWM0D4loKWxJek", "1614265330", br#"{"test": 2432232314}"#);
            assert_eq!(
                signed,
                "v1a,hnO3f9T8Ytu9HwrXslvumlUpqtNVqkhqw/enGzPCXe5BdqzCInXqYXFymVJaA7AZdpXwVLPo3mNl8EM+m7TBAg=="
            );
        }
    }

    const PAIR: &str = "whsk_6Xb/dCcHpPea21PS1N9VY/NZW723CEc77N4rJCubMbfVKIDij2HKpMKkioLlX0dRqSKJp4AJ6p9lMicMFs6Kvg==";
    const SEED: &str = "whsk_6Xb/dCcHpPea21PS1N9VY/NZW723CEc77N4rJCubMbc=";

    #[test]
    fn both_schemes_sign_side_by_side_while_one_replaces_the_other() {
        let signed = signatures(&[secret(PAIR), secret("whsec_c2VjcmV0")], "id-1", "1700000000", b"{}");
        let schemes: Vec<&str> =
            signed.split(' ').filter_map(|one| one.split_once(',')).map(|(scheme, _)| scheme).collect();
        assert_eq!(schemes, ["v1a", "v1"]);
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
        let foreign = PAIR.replace("bfVKIDij", "bfVKIDik");
        for text in ["", "whsec_", "whsec_!!", "whsk_", "whsk_!!", "whsk_c2VjcmV0", &foreign, "whpk_c2VjcmV0"] {
            let error = SigningSecret::parse(text).expect_err("not a secret").to_string();
            assert!(error.starts_with("`sign` ") && !error.contains("c2VjcmV0"), "{error}");
        }
        assert_eq!(format!("{:?}", secret(PAIR)), "***");
        assert_eq!(format!("{:?}", secret("very secret")), "***");
    }
}
