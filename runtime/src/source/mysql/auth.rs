//! Who we are: the answers to the ways of MySQL and MariaDB to ask for a password.
//! <https://dev.mysql.com/doc/dev/mysql-server/latest/page_caching_sha2_authentication_exchanges.html>

use super::trouble::Trouble;
use crate::source::tls::der;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use mysql_common::{crypto, scramble};

pub(super) const NATIVE: &str = "mysql_native_password";
const CACHING: &str = "caching_sha2_password";
const SHA256: &str = "sha256_password";
const CLEAR: &str = "mysql_clear_password";

/// What the server sends on top of a plugin's first question.
const FAST_ENOUGH: u8 = 3;
const WANTS_ALL: u8 = 4;
/// Asks for the server's public key.
const KEY_PLEASE_CACHING: u8 = 2;
const KEY_PLEASE_SHA256: u8 = 1;

/// Whether what we send can be read on the way.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Way {
    /// TLS, or a socket of this machine.
    Private,
    Open,
}

/// One login: which way of asking is under way, and with what.
pub(super) struct Login<'a> {
    password: &'a str,
    way: Way,
    plugin: String,
    nonce: Vec<u8>,
}

impl<'a> Login<'a> {
    pub(super) fn new(password: &'a str, way: Way) -> Self {
        Self { password, way, plugin: String::new(), nonce: Vec::new() }
    }

    /// The first answer to a plugin's question.
    ///
    /// # Errors
    /// A sentence, if it asks in a way that we do not know, or for what must not be sent in the open.
    pub(super) fn answer(&mut self, plugin: &str, nonce: &[u8]) -> Result<Vec<u8>, Trouble> {
        self.plugin = plugin.to_owned();
        self.nonce = nonce.strip_suffix(&[0]).unwrap_or(nonce).to_vec();
        let password = self.password.as_bytes();
        Ok(match plugin {
            NATIVE => scramble::scramble_native(&self.nonce, password).map(Vec::from).unwrap_or_default(),
            CACHING => scramble::scramble_sha256(&self.nonce, password).map(Vec::from).unwrap_or_default(),
            SHA256 if password.is_empty() || self.way == Way::Private => self.terminated(),
            SHA256 => vec![KEY_PLEASE_SHA256],
            CLEAR if self.way == Way::Private => self.terminated(),
            CLEAR => {
                return Err(Trouble::Refused(
                    "the server asks for the password in clear text (mysql_clear_password), and the connection has no TLS; set \
                     sslmode = \"require\""
                        .into(),
                ));
            }
            other => {
                return Err(Trouble::Refused(format!(
                    "the server asks for the password by {other:?}, which is not known here; give the user one that is: on MySQL \
                     ALTER USER ... IDENTIFIED WITH caching_sha2_password BY '...'; on MariaDB ALTER USER ... IDENTIFIED VIA \
                     mysql_native_password USING PASSWORD('...');"
                )));
            }
        })
    }

    /// The answer to what a plugin asks further; `None` where it only said that it is content.
    ///
    /// # Errors
    /// As `answer`, and if the server's public key is none.
    pub(super) fn more(&mut self, data: &[u8]) -> Result<Option<Vec<u8>>, Trouble> {
        match (self.plugin.as_str(), data) {
            (CACHING, [FAST_ENOUGH]) => Ok(None),
            (CACHING, [WANTS_ALL]) if self.way == Way::Private => Ok(Some(self.terminated())),
            (CACHING, [WANTS_ALL]) => Ok(Some(vec![KEY_PLEASE_CACHING])),
            (CACHING | SHA256, key) => sealed(self.terminated(), &self.nonce, key).map(Some),
            (plugin, _) => Err(Trouble::Protocol(format!("{plugin:?} asks more than it may"))),
        }
    }

    fn terminated(&self) -> Vec<u8> {
        [self.password.as_bytes(), &[0]].concat()
    }
}

/// The password, mixed with the nonce, so that only the owner of the key can read it.
fn sealed(mut password: Vec<u8>, nonce: &[u8], key: &[u8]) -> Result<Vec<u8>, Trouble> {
    const OAEP_OVERHEAD: usize = 42;
    let modulus_len = modulus_len(key)
        .ok_or_else(|| Trouble::Protocol("a public key for the password that can not be read".to_owned()))?;
    if nonce.is_empty() || password.len() + OAEP_OVERHEAD > modulus_len {
        return Err(Trouble::Refused(
            "the password is too long for the server's key; use TLS (sslmode = \"require\")".into(),
        ));
    }
    for (byte, mask) in password.iter_mut().zip(nonce.iter().cycle()) {
        *byte ^= mask;
    }
    Ok(crypto::encrypt(&password, key))
}

/// How many bytes the modulus of an RSA key in PEM has, if every length in it is right: what encrypts relies on that.
fn modulus_len(pem: &[u8]) -> Option<usize> {
    const SEQUENCE: u8 = 0x30;
    const BIT_STRING: u8 = 0x03;
    const INTEGER: u8 = 0x02;
    let text = std::str::from_utf8(pem).ok()?.trim_matches(['\0', '\n', '\r', ' ']);
    let inside = text.strip_prefix("-----BEGIN PUBLIC KEY-----")?.strip_suffix("-----END PUBLIC KEY-----")?;
    let bytes = STANDARD.decode(inside.split_ascii_whitespace().collect::<String>()).ok()?;
    let (info, _) = der(SEQUENCE, &bytes)?;
    let (_algorithm, rest) = der(SEQUENCE, info)?;
    let (bits, _) = der(BIT_STRING, rest)?;
    let key = bits.strip_prefix(&[0])?;
    let (numbers, _) = der(SEQUENCE, key)?;
    let (modulus, rest) = der(INTEGER, numbers)?;
    let (exponent, _) = der(INTEGER, rest)?;
    let len = modulus.iter().skip_while(|b| **b == 0).count();
    (len > 0 && exponent.iter().any(|b| *b != 0)).then_some(len)
}

#[cfg(test)]
mod tests {
    use super::*;

    const KEY: &str = "-----BEGIN PUBLIC KEY-----
MIGfMA0GCSqGSIb3DQEBAQUAA4GNADCBiQKBgQDf26YYZ0tfd0fCP/S2CMbvqkWE
XKLbvKAlPWkkXuHmqsRYmYfLJKtkDzWJqq5ORZCm1PPCRBZI6zw0M49bU2iFV6oH
nsYrVMwWPyWzQCTvzPe3QrMmCVcjfEYQPVJWHnJW5OjoRpZq8dEbZ1PpRyLiVxWO
9XBOQsBgEDD2yOLrcwIDAQAB
-----END PUBLIC KEY-----
";

    #[test]
    fn password_is_sealed_for_a_key_and_refused_without_one() {
        assert_eq!(sealed(b"secret\0".to_vec(), b"nonce", KEY.as_bytes()).expect("a key").len(), 128);
        assert!(sealed(vec![b'x'; 100], b"nonce", KEY.as_bytes()).is_err(), "longer than the key can carry");
        let cut = KEY.replace("MIGfMA0GCSqGSIb3DQEBAQUAA4GNADCBiQKBgQDf26YYZ0tfd0fCP", "MIGf");
        for wrong in ["", "-----BEGIN PUBLIC KEY-----\n-----END PUBLIC KEY-----", &KEY[..200], &cut] {
            assert!(matches!(sealed(b"secret\0".to_vec(), b"nonce", wrong.as_bytes()), Err(Trouble::Protocol(_))));
        }
    }

    #[test]
    fn password_never_goes_out_readable_over_an_open_way() {
        for plugin in [NATIVE, CACHING, SHA256, CLEAR] {
            let mut login = Login::new("secret", Way::Open);
            if let Ok(sent) = login.answer(plugin, b"12345678901234567890\0") {
                assert!(!sent.windows(6).any(|w| w == b"secret"), "{plugin}");
            }
        }
        let mut login = Login::new("secret", Way::Open);
        login.answer(CACHING, b"12345678901234567890").expect("known");
        assert_eq!(login.more(&[WANTS_ALL]).expect("known"), Some(vec![KEY_PLEASE_CACHING]));
        let mut login = Login::new("secret", Way::Private);
        login.answer(CACHING, b"12345678901234567890").expect("known");
        assert_eq!(login.more(&[WANTS_ALL]).expect("known"), Some(b"secret\0".to_vec()));
        assert!(login.answer("client_ed25519", b"").is_err());
    }
}
