//! A look at a file before the library works on it: is there a MAC, which keys are to be derived,
//! with how many rounds. It walks the DER without going into itself and decrypts nothing.

use der::asn1::{AnyRef, ObjectIdentifier};
use der::{Decode, Reader, SliceReader, Tag, TagNumber};

use super::{MAX_ROUNDS_OF_FILE, P12Error};

/// The most parts that a file may have: tools write two or three.
const MAX_PARTS: usize = 64;

const DATA: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.2.840.113549.1.7.1");
const ENCRYPTED_DATA: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.2.840.113549.1.7.6");
const PBES2: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.2.840.113549.1.5.13");
const PBKDF2: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.2.840.113549.1.5.12");
/// AES with 128, 192 and 256 bits in CBC mode, with 128 and 256 in GCM.
const AES: [ObjectIdentifier; 5] = [
    ObjectIdentifier::new_unwrap("2.16.840.1.101.3.4.1.2"),
    ObjectIdentifier::new_unwrap("2.16.840.1.101.3.4.1.22"),
    ObjectIdentifier::new_unwrap("2.16.840.1.101.3.4.1.42"),
    ObjectIdentifier::new_unwrap("2.16.840.1.101.3.4.1.6"),
    ObjectIdentifier::new_unwrap("2.16.840.1.101.3.4.1.46"),
];
const SHA1_TRIPLE_DES: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.2.840.113549.1.12.1.3");
const SHA1_RC2_40: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.2.840.113549.1.12.1.6");
const KEY_BAG: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.2.840.113549.1.12.10.1.1");
const SHROUDED_KEY_BAG: ObjectIdentifier =
    ObjectIdentifier::new_unwrap("1.2.840.113549.1.12.10.1.2");
const SECRET_BAG: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.2.840.113549.1.12.10.1.5");

/// What can be seen without the password.
#[derive(Debug, Default)]
pub(super) struct Shape {
    pub(super) has_mac: bool,
    /// Keys in parts that are not encrypted as a whole.
    pub(super) keys: usize,
    rounds: u64,
}

/// Checks that the library can work on the file in bounded time.
pub(super) fn check(bytes: &[u8]) -> Result<Shape, P12Error> {
    let mut shape = Shape::default();
    let mut pfx = Elements::of(only(bytes, "a SEQUENCE that fills the file")?);
    pfx.take(Tag::Integer, "a version")?;
    let auth_safe = pfx.take(Tag::Sequence, "the authenticated safe")?;
    if let Some(mac) = pfx.next()? {
        shape.mac(&mac)?;
    }
    let safes = octets(&mut content(&auth_safe, DATA)?)?;
    let mut safes = Elements::of(only(safes, "the parts of the safe")?);
    let mut parts = 0;
    while let Some(part) = safes.next()? {
        parts += 1;
        if parts > MAX_PARTS {
            return Err(wrong("at most 64 parts"));
        }
        shape.part(&part)?;
    }
    Ok(shape)
}

impl Shape {
    fn mac(&mut self, mac: &AnyRef<'_>) -> Result<(), P12Error> {
        self.has_mac = true;
        let mut mac = Elements::of(sequence(mac, "the MAC")?);
        mac.take(Tag::Sequence, "the MAC's digest")?;
        mac.take(Tag::OctetString, "the MAC's salt")?;
        match mac.next()? {
            Some(rounds) => self.add_rounds(&rounds),
            None => Ok(()),
        }
    }

    fn part(&mut self, part: &AnyRef<'_>) -> Result<(), P12Error> {
        let mut fields = Elements::of(sequence(part, "a part of the safe")?);
        match oid(&fields.take(Tag::ObjectIdentifier, "the type of a part")?)? {
            DATA => self.bags(octets(&mut content(part, DATA)?)?),
            ENCRYPTED_DATA => {
                let mut encrypted = content(part, ENCRYPTED_DATA)?;
                let mut encrypted =
                    Elements::of(encrypted.take(Tag::Sequence, "encrypted data")?.value());
                encrypted.take(Tag::Integer, "the version of encrypted data")?;
                let info = encrypted.take(Tag::Sequence, "what is encrypted")?;
                let mut info = Elements::of(info.value());
                info.take(Tag::ObjectIdentifier, "the type of what is encrypted")?;
                self.scheme(&info.take(Tag::Sequence, "an encryption scheme")?)
            }
            other => Err(P12Error::Unsupported(format!("a part ({other})"))),
        }
    }

    /// The bags of a part that is not encrypted as a whole.
    fn bags(&mut self, bags: &[u8]) -> Result<(), P12Error> {
        let mut bags = Elements::of(only(bags, "the bags of a part")?);
        while let Some(bag) = bags.next()? {
            let mut bag = Elements::of(sequence(&bag, "a bag")?);
            let kind = oid(&bag.take(Tag::ObjectIdentifier, "the type of a bag")?)?;
            let value = bag.next()?.ok_or_else(|| wrong("the content of a bag"))?;
            match kind {
                KEY_BAG => self.keys += 1,
                SHROUDED_KEY_BAG => {
                    self.keys += 1;
                    let key = only(value.value(), "an encrypted key")?;
                    let scheme = Elements::of(key).take(Tag::Sequence, "an encryption scheme")?;
                    self.scheme(&scheme)?;
                }
                // How a secret is encrypted is too deep inside to be worth reading.
                SECRET_BAG => return Err(P12Error::HoldsKeys(self.keys + 1)),
                _ => {}
            }
        }
        Ok(())
    }

    /// An AlgorithmIdentifier that a key is derived for.
    fn scheme(&mut self, algorithm: &AnyRef<'_>) -> Result<(), P12Error> {
        let (scheme, mut parameters) = algorithm_of(algorithm)?;
        match scheme {
            SHA1_TRIPLE_DES | SHA1_RC2_40 => {
                parameters.take(Tag::OctetString, "a salt")?;
                let rounds = parameters.take(Tag::Integer, "the rounds")?;
                self.add_rounds(&rounds)
            }
            PBES2 => {
                let derivation = parameters.take(Tag::Sequence, "a key derivation")?;
                let cipher = parameters.take(Tag::Sequence, "a cipher")?;
                let (derivation, mut parameters) = algorithm_of(&derivation)?;
                if derivation != PBKDF2 {
                    return Err(P12Error::Unsupported(format!(
                        "the key derivation ({derivation})"
                    )));
                }
                let mut cipher = Elements::of(cipher.value());
                let cipher = oid(&cipher.take(Tag::ObjectIdentifier, "a cipher")?)?;
                if !AES.contains(&cipher) {
                    return Err(P12Error::Unsupported(format!("the cipher ({cipher})")));
                }
                parameters.take(Tag::OctetString, "a salt")?;
                let rounds = parameters.take(Tag::Integer, "the rounds")?;
                self.add_rounds(&rounds)
            }
            other => Err(P12Error::Unsupported(format!("the encryption ({other})"))),
        }
    }

    fn add_rounds(&mut self, rounds: &AnyRef<'_>) -> Result<(), P12Error> {
        let rounds = rounds
            .decode_as::<u32>()
            .ok()
            .filter(|rounds| *rounds > 0)
            .ok_or_else(|| wrong("a positive number of rounds"))?;
        self.rounds = self.rounds.saturating_add(rounds.into());
        if self.rounds > MAX_ROUNDS_OF_FILE {
            return Err(P12Error::TooManyRounds {
                rounds: self.rounds,
                limit: MAX_ROUNDS_OF_FILE,
            });
        }
        Ok(())
    }
}

/// The elements of a container, one after the other.
struct Elements<'a>(&'a [u8]);

impl<'a> Elements<'a> {
    fn of(content: &'a [u8]) -> Self {
        Self(content)
    }

    fn next(&mut self) -> Result<Option<AnyRef<'a>>, P12Error> {
        if self.0.is_empty() {
            return Ok(None);
        }
        let malformed = |_| wrong("a whole DER element");
        let mut reader = SliceReader::new(self.0).map_err(malformed)?;
        let element = AnyRef::decode(&mut reader).map_err(malformed)?;
        let rest = usize::try_from(reader.remaining_len()).unwrap_or(0);
        self.0 = &self.0[self.0.len() - rest..];
        Ok(Some(element))
    }

    fn take(&mut self, tag: Tag, what: &'static str) -> Result<AnyRef<'a>, P12Error> {
        use der::Tagged;
        match self.next()? {
            Some(element) if element.tag() == tag => Ok(element),
            _ => Err(wrong(what)),
        }
    }
}

/// The content of the one SEQUENCE that `bytes` are.
fn only<'a>(bytes: &'a [u8], what: &'static str) -> Result<&'a [u8], P12Error> {
    let mut elements = Elements::of(bytes);
    let sequence = elements.take(Tag::Sequence, what)?;
    match elements.next() {
        Ok(None) => Ok(sequence.value()),
        _ => Err(wrong(what)),
    }
}

fn sequence<'a>(element: &AnyRef<'a>, what: &'static str) -> Result<&'a [u8], P12Error> {
    use der::Tagged;
    match element.tag() {
        Tag::Sequence => Ok(element.value()),
        _ => Err(wrong(what)),
    }
}

/// What stands in a ContentInfo of this type.
fn content<'a>(info: &AnyRef<'a>, expected: ObjectIdentifier) -> Result<Elements<'a>, P12Error> {
    let mut fields = Elements::of(sequence(info, "a content")?);
    let found = oid(&fields.take(Tag::ObjectIdentifier, "the type of a content")?)?;
    if found != expected {
        return Err(P12Error::Unsupported(format!("the content ({found})")));
    }
    let explicit = Tag::ContextSpecific {
        constructed: true,
        number: TagNumber(0),
    };
    Ok(Elements::of(fields.take(explicit, "a content")?.value()))
}

fn octets<'a>(elements: &mut Elements<'a>) -> Result<&'a [u8], P12Error> {
    Ok(elements.take(Tag::OctetString, "an OCTET STRING")?.value())
}

/// Identifier and parameters of an AlgorithmIdentifier.
fn algorithm_of<'a>(algorithm: &AnyRef<'a>) -> Result<(ObjectIdentifier, Elements<'a>), P12Error> {
    let mut fields = Elements::of(sequence(algorithm, "an algorithm")?);
    let found = oid(&fields.take(Tag::ObjectIdentifier, "an algorithm")?)?;
    let parameters = fields.take(Tag::Sequence, "the parameters of an algorithm")?;
    Ok((found, Elements::of(parameters.value())))
}

fn oid(element: &AnyRef<'_>) -> Result<ObjectIdentifier, P12Error> {
    element
        .decode_as()
        .map_err(|_| wrong("an OBJECT IDENTIFIER"))
}

fn wrong(what: &'static str) -> P12Error {
    P12Error::NotPkcs12 { what }
}
