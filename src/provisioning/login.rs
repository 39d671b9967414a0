//! HTTP logins: Basic and Digest, after a 401 or a 407. The crate http-auth reads challenges and
//! answers them; which one a phone takes stands here.
//!
//! Source: Cisco's 7832 guide (an immediate retry with Basic or Digest); RFC 7617; RFC 2617 for
//! Digest with MD5, with and without `qop=auth`, which is what phones of the time have (assumed).

use http_auth::digest::{Algorithm, Qop};
use http_auth::{ChallengeParser, DigestClient, PasswordParams, basic};

use super::rule::Account;
use crate::rng::Rng;

/// A way to log in that a server offers and a phone can take.
#[derive(Debug, PartialEq, Eq)]
pub enum Challenge {
    /// The password goes over the connection.
    Basic,
    /// A hash of it goes.
    Digest(DigestClient),
}

impl Challenge {
    /// The best one of the headers `WWW-Authenticate` or `Proxy-Authenticate`: Digest before Basic.
    /// None if there is none that a phone can take. Of a header that is malformed counts what stands
    /// before the fault.
    pub fn best<'h>(headers: impl IntoIterator<Item = &'h str>) -> Option<Self> {
        let mut best = None;
        for header in headers {
            for challenge in ChallengeParser::new(header).map_while(Result::ok) {
                if challenge.scheme.eq_ignore_ascii_case("basic") {
                    best = Some(Self::Basic);
                } else if let Ok(digest) = DigestClient::try_from(&challenge)
                    && digest.algorithm() == Algorithm::Md5
                    && !digest.session()
                    && digest.qop() & Qop::Auth
                {
                    return Some(Self::Digest(digest));
                }
            }
        }
        best
    }

    /// Its name.
    pub fn name(&self) -> &'static str {
        match self {
            Self::Basic => "Basic",
            Self::Digest(_) => "Digest",
        }
    }

    /// The value of `Authorization` or `Proxy-Authorization` for a request of `path`; none if a
    /// header cannot carry it, as with control characters in what the server sent.
    pub fn answer(
        self,
        account: &Account,
        method: &str,
        path: &str,
        rng: &mut Rng,
    ) -> Option<String> {
        let Account { user, password } = account;
        match self {
            Self::Basic => Some(basic::encode_credentials(user, password)),
            Self::Digest(mut digest) => {
                let asked = PasswordParams {
                    username: user,
                    password,
                    uri: path,
                    method,
                    // With a body `auth-int` would go before `auth`.
                    body: None,
                };
                // The crate's own number comes from the system: here chance is an argument.
                let mine = format!("{:016x}", rng.next_u64());
                digest.respond_with_testing_cnonce(&asked, &mine).ok()
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use md5::{Digest as _, Md5};

    use super::*;

    fn hex_md5(text: &str) -> String {
        let digest = Md5::digest(text.as_bytes());
        digest.iter().map(|b| format!("{b:02x}")).collect()
    }

    fn account(user: &str, password: &str) -> Account {
        Account {
            user: user.to_owned(),
            password: password.to_owned(),
        }
    }

    #[test]
    fn basic_is_the_rfcs() {
        let challenge = Challenge::best(["Basic realm=\"WallyWorld\""]).unwrap();
        let who = account("Aladdin", "open sesame");
        let answer = challenge.answer(&who, "GET", "/", &mut Rng::new(1));
        assert_eq!(answer.unwrap(), "Basic QWxhZGRpbjpvcGVuIHNlc2FtZQ==");
    }

    #[test]
    fn digest_is_the_rfcs() {
        // RFC 2069's example, with the response that its errata give.
        let header = "Digest realm=\"testrealm@host.com\", \
                      nonce=\"dcd98b7102dd2f0e8b11d0f600bfb0c093\", opaque=\"5ccc069c403ebaf9f0171e9517f40e41\"";
        let who = account("Mufasa", "CircleOfLife");
        let answer = |header: &str, seed| {
            let challenge = Challenge::best([header]).unwrap();
            let answer = challenge.answer(&who, "GET", "/dir/index.html", &mut Rng::new(seed));
            answer.unwrap()
        };
        let old = answer(header, 1);
        assert!(
            old.contains("response=\"1949323746fe6a43ef61f9606e7febea\""),
            "{old}"
        );
        assert!(old.contains("opaque=\"5ccc069c403ebaf9f0171e9517f40e41\""));
        let with_qop = format!("{header}, qop=\"auth,auth-int\"");
        let first = answer(&with_qop, 1);
        assert!(
            first.contains("qop=auth,") && first.contains("nc=00000001"),
            "{first}"
        );
        let mine = first.split("cnonce=\"").nth(1).unwrap();
        let mine = mine.split('"').next().unwrap();
        let secret = hex_md5("Mufasa:testrealm@host.com:CircleOfLife");
        let request = hex_md5("GET:/dir/index.html");
        let nonce = "dcd98b7102dd2f0e8b11d0f600bfb0c093";
        let expected = hex_md5(&format!("{secret}:{nonce}:00000001:{mine}:auth:{request}"));
        assert!(
            first.contains(&format!("response=\"{expected}\"")),
            "{first}"
        );
        // The phone's number is drawn from the generator alone.
        assert_eq!(first, answer(&with_qop, 1));
        assert_ne!(first, answer(&with_qop, 2));
    }

    #[test]
    fn what_no_header_can_carry_is_no_answer() {
        let challenge = Challenge::best(["Digest realm=x, nonce=y"]).unwrap();
        let who = account("a", "b");
        assert_eq!(challenge.answer(&who, "GET", "/\n", &mut Rng::new(1)), None);
    }

    #[test]
    fn a_realm_is_given_back_as_it_came() {
        let challenge = Challenge::best(["Digest realm=\"a.\t., b\", nonce=x"]).unwrap();
        let answer = challenge.answer(&account("a", "b"), "GET", "/", &mut Rng::new(1));
        assert!(answer.is_some_and(|a| a.contains("realm=\"a.\t., b\"")));
    }

    #[test]
    fn the_best_challenge_is_taken() {
        let is_digest = |headers: &[&str]| {
            let best = Challenge::best(headers.iter().copied());
            best.map(|c| c.name() == "Digest")
        };
        for (headers, expected) in [
            (&["Basic realm=\"a, Digest nonce=b\""][..], Some(false)),
            (
                &["Basic realm=a, Digest realm=\"x\", nonce=\"y\""],
                Some(true),
            ),
            (&["Digest realm=x, nonce=y", "Basic realm=a"], Some(true)),
            (
                &["Digest realm=x, nonce=y, algorithm=SHA-256", "Basic"],
                Some(false),
            ),
            (&["Digest realm=x, nonce=y, qop=auth-int"], None),
            (&["Digest realm=x"], None),
            (&["Negotiate", "Bearer realm=x"], None),
            (&["", ",", "=", "\"", "Basic"], Some(false)),
            (&[], None),
        ] {
            assert_eq!(is_digest(headers), expected, "{headers:?}");
        }
    }
}
