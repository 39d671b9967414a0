use super::*;

/// The smallest header that a reader takes: serial, digest, signature, two padding bytes.
fn smallest() -> Header<Vec<u8>> {
    Header {
        elements: vec![
            Element::value(tag::VERSION, [1, 2]),
            Element::value(tag::HEADER_LENGTH, [0, 0]),
            Element::container(
                tag::SIGNER_ID,
                vec![Element::value(tag::SERIAL_NUMBER, [0x7a])],
            ),
            Element::value(tag::DIGEST_ALGORITHM, [1]),
            Element::value(tag::SIGNATURE, [0xaa, 0xbb]),
            Element::padding(2),
        ],
    }
}

fn bytes_of(header: &Header<Vec<u8>>) -> Vec<u8> {
    let mut out = Vec::new();
    header.emit(&mut out).unwrap();
    out
}

fn parse<'a>(bytes: &'a [u8], strictness: &Strictness) -> Result<Header<&'a [u8]>, WireError> {
    let (header, result) = read(bytes, Format::TrustList, strictness);
    result.map(|_| header)
}

#[test]
fn a_header_is_built_and_taken_apart() {
    let bytes = bytes_of(&smallest());
    let expected: &[u8] = &[
        1, 0, 2, 1, 2, 2, 0, 2, 0, 28, 3, 0, 4, 5, 0, 1, 0x7a, 8, 0, 1, 1, 12, 0, 2, 0xaa, 0xbb,
        13, 13,
    ];
    assert_eq!(bytes, expected);
    let header = parse(&bytes, &Strictness::default()).unwrap();
    assert_eq!(header.version(), (1, 2));
    assert_eq!(header.length(), 28);
    assert_eq!(header.serial(), [0x7a]);
    assert_eq!(header.digest(), Digest::Sha1);
    assert_eq!(header.signature(), [0xaa, 0xbb]);
    assert_eq!(header.signature_span(), 21..26);
    assert_eq!(header.offset_of(tag::SERIAL_NUMBER), Some(13));
    assert_eq!(header.timestamp(), None);
    assert_eq!(bytes_of(&header.to_owned()), bytes);
    let mut header = header.to_owned();
    header.set_signature(vec![1, 2, 3]);
    assert_eq!(bytes_of(&header)[8..10], [0, 29]);
    assert_eq!(header.signature_span(), 21..27);
}

#[test]
fn every_element_of_fixed_size_refuses_another_one() {
    let sizes = [
        (tag::SIGNER_VERSION, 2),
        (tag::DIGEST_ALGORITHM, 1),
        (tag::SIGNATURE_ALGORITHM, 1),
        (tag::SIGNATURE_MODULUS, 1),
        (tag::BODY_ALGORITHM, 1),
        (tag::KEY_ALGORITHM, 1),
        (tag::KEY_FORMAT, 1),
        (tag::PLAIN_DIGEST_ALGORITHM, 1),
        (tag::BODY_PADDING, 2),
        (tag::KEY_BITS, 2),
        (tag::TIMESTAMP, 4),
        (tag::BODY_IV, 16),
    ];
    for (t, size) in sizes {
        for actual in [0, size - 1, size, size + 1] {
            let mut header = smallest();
            header.elements.retain(|e| e.tag != t);
            header
                .elements
                .insert(2, Element::value(t, vec![0; actual]));
            let bytes = bytes_of(&header);
            let result = read(&bytes, Format::SignedFile, &Strictness::default()).1;
            let expected = if actual == size {
                Ok(bytes.len())
            } else {
                let kind = WireErrorKind::Length {
                    expected: size,
                    actual,
                };
                Err(WireError::new(10, header_element_name(t), kind))
            };
            assert_eq!(result, expected, "tag {t} with {actual} bytes");
        }
    }
}

#[test]
fn impossible_header_lengths_are_refused() {
    let good = bytes_of(&smallest());
    for length in (0..28_u16).chain([29, 255, 65_535]) {
        let mut bytes = good.clone();
        bytes[8..10].copy_from_slice(&length.to_be_bytes());
        let result = parse(&bytes, &Strictness::default());
        // The padding belongs to the header or not; either reads.
        assert_eq!(
            result.is_ok(),
            matches!(length, 26 | 27),
            "{length}: {result:?}"
        );
    }
    for (at, length) in [(1, 3_u16), (1, 0), (6, 1), (6, 65_535)] {
        let mut bytes = good.clone();
        bytes[at..at + 2].copy_from_slice(&length.to_be_bytes());
        let error = parse(&bytes, &Strictness::default()).unwrap_err();
        assert!(matches!(
            error.kind,
            WireErrorKind::Length { expected: 2, .. }
        ));
    }
}

#[test]
fn a_missing_element_is_named() {
    for (t, name) in [
        (tag::DIGEST_ALGORITHM, "DIGESTALGORITHM"),
        (tag::SIGNATURE, "SIGNATURE"),
        (tag::SIGNER_ID, "SERIALNUMBER"),
    ] {
        let mut header = smallest();
        header.elements.retain(|e| e.tag != t);
        let bytes = bytes_of(&header);
        let error = parse(&bytes, &Strictness::default()).unwrap_err();
        assert_eq!((error.element, error.kind), (name, WireErrorKind::Missing));
    }
}

#[test]
fn a_signature_inside_a_container_is_none() {
    let mut header = smallest();
    header.elements.retain(|e| e.tag != tag::SIGNATURE);
    header.elements[2] = Element::container(
        tag::SIGNER_ID,
        vec![
            Element::value(tag::SERIAL_NUMBER, [1]),
            Element::value(tag::SIGNATURE, [2]),
        ],
    );
    let bytes = bytes_of(&header);
    let error = parse(&bytes, &Strictness::default()).unwrap_err();
    assert_eq!(error.kind, WireErrorKind::Missing);
    assert_eq!(header.signature(), [0_u8; 0]);
}

#[test]
fn duplicates_are_refused_or_the_last_one_counts() {
    let mut header = smallest();
    header
        .elements
        .push(Element::value(tag::DIGEST_ALGORITHM, [3]));
    let bytes = bytes_of(&header);
    let error = parse(&bytes, &Strictness::default()).unwrap_err();
    assert_eq!(error.kind, WireErrorKind::Duplicate { tag: 8 });
    let loose = Strictness {
        refuse_duplicates: false,
        ..Strictness::default()
    };
    let read = parse(&bytes, &loose).unwrap();
    assert_eq!(read.digest(), Digest::Sha512);
    assert_eq!(bytes_of(&read.to_owned()), bytes);
    for t in [tag::VERSION, tag::HEADER_LENGTH] {
        let mut header = smallest();
        header.elements.push(Element::value(t, [0, 10]));
        let error = parse(&bytes_of(&header), &loose).unwrap_err();
        assert_eq!(error.kind, WireErrorKind::Duplicate { tag: t });
    }
}

#[test]
fn versions_of_lists_are_known_or_any() {
    let known = Strictness {
        refuse_version: true,
        ..Strictness::default()
    };
    for (version, is_known) in [
        ([1, 0], false),
        ([1, 1], true),
        ([1, 2], true),
        ([1, 3], false),
        ([2, 1], false),
    ] {
        let mut header = smallest();
        header.elements[0] = Element::value(tag::VERSION, version);
        let bytes = bytes_of(&header);
        assert!(parse(&bytes, &Strictness::default()).is_ok());
        assert_eq!(parse(&bytes, &known).is_ok(), is_known, "{version:?}");
        // The setting is about lists; `.sgn` is 1.0 and `.enc.sgn` 2.0.
        assert!(read(&bytes, Format::SignedFile, &known).1.is_ok());
    }
}

#[test]
fn serials_are_compared_as_numbers() {
    assert!(same_serial(&[0, 0x91], &[0x91]));
    assert!(same_serial(&[], &[0]));
    assert!(!same_serial(&[0x91, 0], &[0x91]));
    assert_eq!(without_nul(b"a\0\0"), b"a\0");
    assert_eq!(without_nul(b"a"), b"a");
    assert_eq!(with_nul("a"), b"a\0");
}

#[test]
fn a_header_over_its_length_field_is_not_written() {
    let mut header = smallest();
    header.elements.push(Element::padding(65_535));
    let error = header.emit(&mut Vec::new()).unwrap_err();
    assert!(matches!(error.kind, WireErrorKind::TooLarge { .. }));
}
