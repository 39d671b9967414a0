use super::*;
use crate::rng::Rng;

fn path(text: &str) -> TreePath {
    TreePath::parse(text).unwrap()
}

fn small() -> Tree {
    Tree::new(TreeLimits {
        file_bytes: 100,
        total_bytes: 150,
        entries: 5,
    })
}

#[test]
fn no_path_leads_out() {
    for (text, expected) in [
        ("", "/"),
        (".", "/"),
        ("/", "/"),
        ("..", "/"),
        ("/../../etc/passwd", "/etc/passwd"),
        ("a/../../b", "/b"),
        ("//bulk//x/./y/..", "/bulk/x"),
    ] {
        assert_eq!(path(text).to_string(), expected, "{text:?}");
    }
    let deep = "a/".repeat(DEPTH + 1);
    let long = "/".repeat(PATH_BYTES + 1);
    for text in ["a\\..\\b", "a\0b", "/a\nb", &deep, &long, &"x".repeat(256)] {
        assert_eq!(TreePath::parse(text), Err(TreeFault::BadPath), "{text:?}");
    }
}

#[test]
fn what_fits_is_written_before_it_is_full() {
    let mut tree = small();
    tree.write(&path("a"), &[1; 90], 0).unwrap();
    assert_eq!(tree.write(&path("b"), &[2; 90], 0), Err(TreeFault::Full));
    assert_eq!(tree.read(&path("b")).unwrap(), &[2; 60]);
    assert_eq!((tree.bytes(), tree.free()), (150, 0));
    // What is there may be written over, and an empty file needs no room.
    tree.write(&path("c"), &[], 0).unwrap();
    let b = tree.open(&path("b"), Opening::default(), 0).unwrap();
    tree.write_at(b, 10, &[3; 50], 0).unwrap();
    assert_eq!(tree.write_at(b, 60, &[3], 0), Err(TreeFault::Full));
    assert_eq!(tree.write_at(b, 70, &[3], 0), Err(TreeFault::Full));
    tree.remove(&path("a")).unwrap();
    assert_eq!((tree.bytes(), tree.free()), (60, 90));
    tree.write_at(b, 70, &[3], 0).unwrap();
    assert_eq!(
        tree.read(&path("b")).unwrap()[60..],
        [0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 3]
    );
}

#[test]
fn offsets_beyond_all_limits_are_refused() {
    let mut tree = small();
    tree.write(&path("a"), b"x", 0).unwrap();
    let a = tree.open(&path("a"), Opening::default(), 0).unwrap();
    for offset in [100, 101, u64::MAX - 1, u64::MAX] {
        assert_eq!(tree.write_at(a, offset, b"xy", 0), Err(TreeFault::TooLarge));
        assert_eq!(tree.read_at(a, offset, 10).unwrap(), b"");
    }
    assert_eq!(tree.bytes(), 1);
}

#[test]
fn a_file_is_cut_off_or_filled_up() {
    let mut tree = small();
    tree.write(&path("a"), b"longer", 0).unwrap();
    tree.write(&path("b"), &[2; 100], 0).unwrap();
    let a = tree.open(&path("a"), Opening::default(), 0).unwrap();
    tree.set_length(a, 2, 1).unwrap();
    assert_eq!(tree.read(&path("a")).unwrap(), b"lo");
    tree.set_length(a, 4, 2).unwrap();
    assert_eq!(tree.read(&path("a")).unwrap(), b"lo\0\0");
    assert_eq!((tree.bytes(), tree.free()), (104, 46));
    assert_eq!(tree.stat(&path("a")).unwrap().modified, 2);
    assert_eq!(tree.set_length(a, 51, 3), Err(TreeFault::Full));
    assert_eq!(tree.set_length(a, 101, 3), Err(TreeFault::TooLarge));
    assert_eq!(tree.set_length(a, u64::MAX, 3), Err(TreeFault::TooLarge));
    assert_eq!(tree.read(&path("a")).unwrap(), b"lo\0\0");
    // A file above a limit that was lowered may still become shorter.
    tree.limits.file_bytes = 1;
    tree.set_length(a, 3, 4).unwrap();
    assert_eq!(tree.bytes(), 103);
}

#[test]
fn nothing_comes_to_lie_where_no_path_leads() {
    let mut tree = Tree::default();
    let below = |depth: usize, name: &str| path(&format!("{}{name}", "d/".repeat(depth)));
    for depth in 0..DEPTH {
        tree.make_directory(&below(depth, "d"), 0).unwrap();
    }
    tree.make_directory(&path("e"), 0).unwrap();
    tree.write(&path("e/file"), b"x", 0).unwrap();
    assert_eq!(
        tree.rename(&path("e"), &below(DEPTH - 1, "e")),
        Err(TreeFault::BadPath)
    );
    assert_eq!(tree.read(&path("e/file")).unwrap(), b"x");
    tree.rename(&path("e"), &below(DEPTH - 2, "e")).unwrap();
    assert_eq!(tree.read(&below(DEPTH - 2, "e/file")).unwrap(), b"x");
}

#[test]
fn a_name_that_is_taken_stays() {
    let mut tree = small();
    tree.write(&path("a"), b"a", 0).unwrap();
    tree.write(&path("b"), b"b", 0).unwrap();
    assert_eq!(tree.rename(&path("a"), &path("b")), Err(TreeFault::Exists));
    assert_eq!(tree.rename(&path("a"), &path("a")), Err(TreeFault::Exists));
    assert_eq!(
        tree.rename(&path("x"), &path("y")),
        Err(TreeFault::NoSuchFile)
    );
    assert_eq!(
        tree.rename(&path("a"), &path("no/a")),
        Err(TreeFault::NoSuchFile)
    );
    assert_eq!(
        tree.rename(&path("a"), &path("b/a")),
        Err(TreeFault::NotDirectory)
    );
    assert_eq!(tree.read(&path("b")).unwrap(), b"b");
    // A file that is open keeps its number under its new name.
    let a = tree.open(&path("a"), Opening::default(), 0).unwrap();
    tree.rename(&path("a"), &path("c")).unwrap();
    tree.write_at(a, 1, b"!", 0).unwrap();
    assert_eq!(tree.read(&path("c")).unwrap(), b"a!");
}

#[test]
fn directories_move_with_what_is_in_them() {
    let mut tree = small();
    tree.make_directory(&path("d"), 0).unwrap();
    tree.make_directory(&path("d/e"), 0).unwrap();
    tree.write(&path("d/e/f"), b"f", 0).unwrap();
    tree.write(&path("dx"), b"x", 0).unwrap();
    assert_eq!(
        tree.rename(&path("d"), &path("d/e/g")),
        Err(TreeFault::BadPath)
    );
    tree.rename(&path("d"), &path("n")).unwrap();
    assert_eq!(tree.read(&path("n/e/f")).unwrap(), b"f");
    assert_eq!(tree.remove_directory(&path("n")), Err(TreeFault::NotEmpty));
    let names = |at: &str| -> Vec<String> {
        let listed = tree.list(&path(at)).unwrap();
        listed.into_iter().map(|(name, _)| name).collect()
    };
    assert_eq!(names("/"), ["dx", "n"]);
    assert_eq!(names("/n"), ["e"]);
    assert_eq!(tree.list(&path("d")), Err(TreeFault::NoSuchFile));
    assert_eq!(tree.list(&path("dx")), Err(TreeFault::NotDirectory));
    assert_eq!(
        tree.list_after(&path("/"), Some("dx"), 1).unwrap()[0].0,
        "n"
    );
    // Five entries are allowed, four are there.
    tree.write(&path("y"), b"", 0).unwrap();
    assert_eq!(tree.write(&path("z"), b"", 0), Err(TreeFault::TooMany));
}

#[test]
fn the_count_of_bytes_holds_whatever_happens() {
    let mut rng = Rng::new(7);
    let mut tree = small();
    for _ in 0..20_000 {
        let mut pick = |n: u64| rng.below(n);
        let names = ["a", "b", "d", "d/a", "d/b", "e/a"];
        let one = path(names[pick(6) as usize]);
        let other = path(names[pick(6) as usize]);
        let _ = match pick(8) {
            0 => tree.make_directory(&one, 0),
            1 => tree.remove_directory(&one),
            2 => tree.remove(&one),
            3 => tree.rename(&one, &other),
            4 => tree.write(&one, &vec![1; pick(120) as usize], 0),
            5 => match tree.open(&one, Opening::default(), 0) {
                Ok(id) => tree.set_length(id, pick(120), 0),
                Err(fault) => Err(fault),
            },
            _ => match tree.open(&one, Opening::default(), 0) {
                Ok(id) => tree.write_at(id, pick(110), &vec![2; pick(60) as usize], 0),
                Err(fault) => Err(fault),
            },
        };
        let sum: u64 = tree
            .files
            .values()
            .map(|file| file.bytes.len() as u64)
            .sum();
        assert_eq!(tree.bytes(), sum);
        assert!(sum <= 150 && tree.nodes.len() <= 5);
        let named = tree
            .nodes
            .values()
            .filter(|node| matches!(node, Node::File(_)));
        assert_eq!(named.count(), tree.files.len());
        for at in tree.nodes.keys() {
            assert_eq!(tree.parent_of(at), Ok(()), "{at}");
        }
    }
}
