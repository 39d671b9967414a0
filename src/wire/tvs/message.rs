//! Whole messages, and what can be read of damaged ones.

use super::{
    Answer, Command, DEVICE_LEAD, Duplicates, ELEMENT_HEAD_LEN, Element, HEADER_LEN, Header,
    MAX_ELEMENTS, MESSAGE_ID, Request, TAG_CERTIFICATE, TAG_DEVICE, TAG_STATUS, TAG_SUBJECT, Tags,
    VERSION,
};
use crate::wire::{Reader, WireError, WireErrorKind};

/// A whole message: every element as it stood on the wire.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Message {
    /// What the message is.
    pub command: Command,
    /// The byte that readers ignore and that is written back as it was.
    pub reserved: u8,
    /// Chosen by the client, echoed by the server.
    pub session: u32,
    /// The body, in order, unknown elements too.
    pub elements: Vec<Element>,
}

impl Message {
    /// Reads one whole message; `tags` gives the elements their names in errors.
    ///
    /// # Errors
    /// A damaged header, bytes that end too early, an element that runs past the body, bytes after
    /// the body, more than [`MAX_ELEMENTS`] elements.
    pub fn parse(bytes: &[u8], tags: &Tags) -> Result<Self, WireError> {
        let Prefix {
            header,
            elements,
            problem,
            ..
        } = Prefix::read(bytes, tags);
        match (header, problem) {
            (Some(header), None) => Ok(Self {
                command: header.command,
                reserved: header.reserved,
                session: header.session,
                elements,
            }),
            (_, Some(problem)) => Err(problem),
            (None, None) => Err(WireError::new(0, "header", WireErrorKind::Missing)),
        }
    }

    /// The bytes of the message. What [`Message::parse`] read comes out unchanged.
    ///
    /// # Errors
    /// A value or a body above 65,535 bytes, which its length field cannot say.
    pub fn emit(&self) -> Result<Vec<u8>, WireError> {
        let mut out = Vec::with_capacity(self.len());
        out.extend([MESSAGE_ID, VERSION, self.command.number(), self.reserved]);
        out.extend(self.session.to_be_bytes());
        out.extend(length_field(self.len() - HEADER_LEN, 8, "body length")?);
        for element in &self.elements {
            let offset = out.len();
            out.push(element.tag);
            out.extend(length_field(element.value.len(), offset, "element length")?);
            out.extend(&element.value);
        }
        Ok(out)
    }

    /// A question, its elements in the order of the recording.
    pub fn from_request(request: &Request, session: u32, tags: &Tags) -> Self {
        let device = |name: &[u8]| Element {
            tag: TAG_DEVICE,
            value: [&[DEVICE_LEAD], name].concat(),
        };
        let name = |tag, name: &[u8]| Element {
            tag,
            value: [name, &[0]].concat(),
        };
        let elements = match request {
            Request::Verify {
                device: d,
                certificate,
            } => vec![
                device(d),
                Element {
                    tag: TAG_CERTIFICATE,
                    value: certificate.clone(),
                },
            ],
            Request::Query {
                device: d,
                subject,
                issuer,
                serial,
            } => vec![
                device(d),
                name(TAG_SUBJECT, subject),
                name(tags.issuer, issuer),
                Element {
                    tag: tags.serial,
                    value: serial.clone(),
                },
            ],
        };
        Self {
            command: request.command(),
            reserved: 0,
            session,
            elements,
        }
    }

    /// An answer of kind `command`, its elements in the order of the recording.
    pub fn from_answer(answer: &Answer, command: Command, session: u32, tags: &Tags) -> Self {
        let mut elements = vec![Element {
            tag: TAG_STATUS,
            value: vec![answer.status],
        }];
        if let Some(certificate) = &answer.certificate {
            elements.push(Element {
                tag: TAG_CERTIFICATE,
                value: certificate.clone(),
            });
        }
        if let Some(roles) = &answer.roles {
            elements.push(Element {
                tag: tags.roles,
                value: roles.clone(),
            });
        }
        if let Some(ttl) = answer.ttl_secs {
            elements.push(Element {
                tag: tags.ttl,
                value: ttl.to_be_bytes().to_vec(),
            });
        }
        Self {
            command,
            reserved: 0,
            session,
            elements,
        }
    }

    /// What the message asks. Elements may stand in any order; those that the question does not
    /// have are passed over.
    ///
    /// # Errors
    /// The message is an answer, an element is missing or empty, or stands twice where
    /// `duplicates` refuses that.
    pub fn request(&self, tags: &Tags, duplicates: Duplicates) -> Result<Request, WireError> {
        let need = |tag| self.required(tag, tags, duplicates);
        // The byte before the name is dropped unseen, as tvsd does.
        let device = |(_, value): (usize, &[u8])| value[1..].to_vec();
        match self.command {
            Command::VerifyRequest => Ok(Request::Verify {
                device: need(TAG_DEVICE).map(device)?,
                certificate: need(TAG_CERTIFICATE)?.1.to_vec(),
            }),
            Command::QueryRequest => Ok(Request::Query {
                device: need(TAG_DEVICE).map(device)?,
                subject: without_nul(need(TAG_SUBJECT)?.1).to_vec(),
                issuer: without_nul(need(tags.issuer)?.1).to_vec(),
                serial: need(tags.serial)?.1.to_vec(),
            }),
            Command::VerifyResponse | Command::QueryResponse => {
                Err(self.wrong_command("a request: 1 or 3"))
            }
        }
    }

    /// What the message answers. Elements may stand in any order; a missing certificate, role list
    /// or life time is data, a missing status is an error.
    ///
    /// # Errors
    /// The message is a request, the status is missing, status or life time has another size than
    /// 1 and 4 bytes, an element stands twice where `duplicates` refuses that.
    pub fn answer(&self, tags: &Tags, duplicates: Duplicates) -> Result<Answer, WireError> {
        if self.command.response().is_some() {
            return Err(self.wrong_command("an answer: 2 or 4"));
        }
        let (at, status) = self.required(TAG_STATUS, tags, duplicates)?;
        let [status] = fixed::<1>(at, "status", status)?;
        let ttl = match self.find(tags.ttl, tags, duplicates)? {
            Some((at, value)) => Some(u32::from_be_bytes(fixed(at, "life time", value)?)),
            None => None,
        };
        let optional = |tag| -> Result<Option<Vec<u8>>, WireError> {
            Ok(self
                .find(tag, tags, duplicates)?
                .map(|(_, value)| value.to_vec()))
        };
        Ok(Answer {
            status,
            certificate: optional(TAG_CERTIFICATE)?,
            roles: optional(tags.roles)?,
            ttl_secs: ttl,
        })
    }

    /// Bytes of the message.
    fn len(&self) -> usize {
        let body = self
            .elements
            .iter()
            .map(|e| ELEMENT_HEAD_LEN + e.value.len());
        HEADER_LEN + body.sum::<usize>()
    }

    fn wrong_command(&self, expected: &'static str) -> WireError {
        let actual = u64::from(self.command.number());
        WireError::new(2, "command", WireErrorKind::Value { expected, actual })
    }

    /// The offset and the value of the element `tag`, which must be there and not be empty.
    fn required(
        &self,
        tag: u8,
        tags: &Tags,
        duplicates: Duplicates,
    ) -> Result<(usize, &[u8]), WireError> {
        let name = tags.name(tag);
        let (at, value) = self
            .find(tag, tags, duplicates)?
            .ok_or_else(|| WireError::new(self.len(), name, WireErrorKind::Missing))?;
        if value.is_empty() {
            let kind = WireErrorKind::Truncated { needed: 1, left: 0 };
            return Err(WireError::new(at, name, kind));
        }
        Ok((at, value))
    }

    /// The offset and the value of the element `tag`.
    fn find(
        &self,
        tag: u8,
        tags: &Tags,
        duplicates: Duplicates,
    ) -> Result<Option<(usize, &[u8])>, WireError> {
        let mut found = None;
        let mut offset = HEADER_LEN;
        for element in &self.elements {
            if element.tag == tag {
                if found.is_some() && duplicates == Duplicates::Refuse {
                    let kind = WireErrorKind::Duplicate { tag };
                    return Err(WireError::new(offset, tags.name(tag), kind));
                }
                found = Some((offset + ELEMENT_HEAD_LEN, element.value.as_slice()));
            }
            offset += ELEMENT_HEAD_LEN + element.value.len();
        }
        Ok(found)
    }
}

/// What can be read of a message that is cut off or damaged.
///
/// The published dumps of real messages end after 50 bytes; this shows what they hold, and where
/// they end.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Prefix {
    /// The header, if it is whole and sound.
    pub header: Option<Header>,
    /// The elements that are whole.
    pub elements: Vec<Element>,
    /// The element in which reading stopped, with the bytes of it that are there.
    pub partial: Option<Element>,
    /// Where reading stopped and why; `None` if the message is whole.
    pub problem: Option<WireError>,
}

impl Prefix {
    /// Reads as far as `bytes` go.
    pub fn read(bytes: &[u8], tags: &Tags) -> Self {
        let mut prefix = Self::default();
        prefix.problem = prefix.fill(bytes, tags).err();
        prefix
    }

    fn fill(&mut self, bytes: &[u8], tags: &Tags) -> Result<(), WireError> {
        let header = Header::parse(bytes)?;
        self.header = Some(header);
        let end = header.message_len();
        let mut whole = Reader::at(&bytes[HEADER_LEN..], HEADER_LEN);
        let mut body = whole.child(whole.left().min(end - HEADER_LEN), "body")?;
        // The declared end, not the end of the bytes: a message that is cut off and one whose
        // element lengths contradict its body length are different faults.
        while body.offset() < end {
            let offset = body.offset();
            if self.elements.len() == MAX_ELEMENTS {
                let actual = MAX_ELEMENTS + 1;
                let kind = WireErrorKind::TooLarge {
                    limit: MAX_ELEMENTS,
                    actual,
                };
                return Err(WireError::new(offset, "number of elements", kind));
            }
            if end - offset < ELEMENT_HEAD_LEN {
                let kind = WireErrorKind::Trailing {
                    length: end - offset,
                };
                return Err(WireError::new(offset, "body", kind));
            }
            let tag = body.u8("element tag")?;
            let length = usize::from(body.u16("element length")?);
            let (start, left) = (body.offset(), end - body.offset());
            if length > left || length > body.left() {
                self.partial = Some(Element {
                    tag,
                    value: body.rest().to_vec(),
                });
            }
            if length > left {
                let kind = WireErrorKind::Overrun {
                    length,
                    left,
                    container: "the body",
                };
                return Err(WireError::new(offset, tags.name(tag), kind));
            }
            if let Some(partial) = &self.partial {
                let kind = WireErrorKind::Truncated {
                    needed: length,
                    left: partial.value.len(),
                };
                return Err(WireError::new(start, tags.name(tag), kind));
            }
            let value = body.take(length, tags.name(tag))?.to_vec();
            self.elements.push(Element { tag, value });
        }
        match whole.left() {
            0 => Ok(()),
            length => Err(WireError::new(
                end,
                "message",
                WireErrorKind::Trailing { length },
            )),
        }
    }
}

fn length_field(length: usize, offset: usize, element: &'static str) -> Result<[u8; 2], WireError> {
    let limit = usize::from(u16::MAX);
    u16::try_from(length).map(u16::to_be_bytes).map_err(|_| {
        WireError::new(
            offset,
            element,
            WireErrorKind::TooLarge {
                limit,
                actual: length,
            },
        )
    })
}

fn fixed<const N: usize>(
    offset: usize,
    element: &'static str,
    value: &[u8],
) -> Result<[u8; N], WireError> {
    value.try_into().map_err(|_| {
        let kind = WireErrorKind::Length {
            expected: N,
            actual: value.len(),
        };
        WireError::new(offset, element, kind)
    })
}

/// Names are NUL-terminated on the wire; one without is read as it stands.
fn without_nul(name: &[u8]) -> &[u8] {
    name.strip_suffix(&[0]).unwrap_or(name)
}
