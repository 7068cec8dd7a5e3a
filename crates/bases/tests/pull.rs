//! What is missing of a release, asked in order, verified, and begun again after a cut.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::map_entry)]

mod support;

use support::{Prng, Store, endorsed, file, key, manifest};
use tamis_bases::chunks::{CHUNK_BYTES_MAX, Name};
use tamis_bases::lists::{BadList, ENTRIES_MAX, Entry, List};
use tamis_bases::manifest::{FileEntry, Signed};
use tamis_bases::pull::{ENTRIES_PLACED_MAX, Event, LISTS_MAX, PIECES_MAX, Pull, PullError, Want};

fn release(generation: u64, files: Vec<FileEntry>) -> Signed {
    let hub = key(1);
    let mut release = manifest(generation, vec![endorsed(&hub, hub.public())]);
    release.files = files;
    release.sign(&hub).unwrap()
}

/// Pulls from `hub` into `own`, at most `fetches_max` chunks; says what was fetched, and whether all is there.
fn pull(signed: &Signed, hub: &Store, own: &mut Store, fetches_max: usize) -> (Vec<Name>, Pull) {
    let mut pull = Pull::new(signed.clone());
    let mut fetched = Vec::new();
    while let Some(want) = pull.poll() {
        let name = want.name();
        if !own.contains_key(&name) {
            if fetched.len() == fetches_max {
                break;
            }
            want.verify(&hub[&name]).unwrap();
            own.insert(name, hub[&name].clone());
            fetched.push(name);
        }
        match want {
            Want::List(name) => pull.handle(Event::List(name, &own[&name])).unwrap(),
            Want::Piece(name, _) => pull.handle(Event::Stored(name)).unwrap(),
        }
    }
    (fetched, pull)
}

fn assemble(pull: &Pull, store: &Store, file: usize) -> Vec<u8> {
    pull.pieces(file).flat_map(|entry| store[&entry.name].clone()).collect()
}

#[test]
fn a_release_comes_whole_and_only_what_changed_comes_with_the_next() {
    let (mut hub, mut site) = (Store::new(), Store::new());
    let log = Prng(1).bytes(3 << 20);
    let words = Prng(2).bytes(100_000);
    let first = release(1, vec![file(&mut hub, "log", &log), file(&mut hub, "words", &words)]);
    let (_, whole) = pull(&first, &hub, &mut site, usize::MAX);
    assert!(whole.is_complete());
    assert_eq!(assemble(&whole, &site, 0), log);
    assert_eq!(assemble(&whole, &site, 1), words);

    let longer = [&log[..], &Prng(3).bytes(30_000)].concat();
    let next = vec![file(&mut hub, "log", &longer), file(&mut hub, "words", &words)];
    let (fetched, whole) = pull(&release(2, next), &hub, &mut site, usize::MAX);
    assert!(whole.is_complete());
    assert_eq!(assemble(&whole, &site, 0), longer);
    let bytes: usize = fetched.iter().map(|name| hub[name].len()).sum();
    println!("{} chunks, {bytes} bytes for 30,000 new ones", fetched.len());
    assert!(fetched.len() <= 4 && bytes < CHUNK_BYTES_MAX * 2, "{bytes}");
}

#[test]
fn nothing_changed_means_nothing_is_fetched() {
    let mut hub = Store::new();
    let words = file(&mut hub, "words", &Prng(2).bytes(100_000));
    let (mut site, fetches) = (hub.clone(), usize::MAX);
    let (fetched, whole) = pull(&release(2, vec![words]), &hub, &mut site, fetches);
    assert!(fetched.is_empty() && whole.is_complete());
    assert!(Pull::new(release(3, vec![])).is_complete(), "a release without files");
}

#[test]
fn a_pull_cut_after_any_chunk_goes_on_where_it_was() {
    let mut hub = Store::new();
    let log = file(&mut hub, "log", &Prng(1).bytes(2 << 20));
    let signed = release(1, vec![log]);
    let chunks = hub.len();
    for cut in 0..chunks {
        let mut site = Store::new();
        let (before, part) = pull(&signed, &hub, &mut site, cut);
        assert!(!part.is_complete());
        let (after, whole) = pull(&signed, &hub, &mut site, usize::MAX);
        assert!(whole.is_complete());
        assert!(before.iter().all(|name| !after.contains(name)), "fetched twice");
        assert_eq!(before.len() + after.len(), chunks);
    }
}

#[test]
fn a_file_of_lists_of_lists_comes_whole_and_equal_pieces_come_once() {
    // More pieces than one list holds, of few contents.
    let mut hub = Store::new();
    let pieces: Vec<Vec<u8>> = (0..8).map(|at| Prng(at).bytes(64)).collect();
    let mut lister = tamis_bases::lists::Lister::default();
    let mut whole = Vec::new();
    for at in 0..3_000_usize {
        let piece = &pieces[at * at % 8];
        lister.push(Name::of(piece), piece.len()).unwrap();
        hub.insert(Name::of(piece), piece.clone());
        whole.extend_from_slice(piece);
    }
    let lists = lister.finish().unwrap();
    assert!(lists.len() > 2);
    let list = Name::of(lists.last().unwrap());
    hub.extend(lists.into_iter().map(|list| (Name::of(&list), list)));
    let name = "log".parse().unwrap();
    let entry = FileEntry { name, bytes: whole.len() as u64, whole: Name::of(&whole), list };
    let twin = FileEntry { name: "twin".parse().unwrap(), ..entry.clone() };
    let mut site = Store::new();
    let (fetched, pulled) = pull(&release(1, vec![entry, twin]), &hub, &mut site, usize::MAX);
    assert!(pulled.is_complete());
    assert_eq!(assemble(&pulled, &site, 0), whole);
    assert_eq!(assemble(&pulled, &site, 1), whole);
    assert_eq!(fetched.len(), hub.len());
}

#[test]
fn bytes_of_another_name_or_length_are_not_taken() {
    let piece = Prng(1).bytes(100);
    let want = Want::Piece(Name::of(&piece), 100);
    assert_eq!(want.verify(&piece), Ok(()));
    assert_eq!(want.verify(&piece[1..]), Err(PullError::Chunk(want.name())));
    assert_eq!(Want::Piece(want.name(), 99).verify(&piece), Err(PullError::Chunk(want.name())));
    let long = vec![0; CHUNK_BYTES_MAX];
    assert!(Want::List(Name::of(&long)).verify(&long).is_ok());
    let longer = vec![0; CHUNK_BYTES_MAX + 1];
    assert!(Want::List(Name::of(&longer)).verify(&longer).is_err());
}

/// A release of one file of `bytes` whose list is this.
fn of_list(list: &[u8], bytes: u64) -> (Name, Pull) {
    let name = Name::of(list);
    let whole = Name([0; 32]);
    let entry = FileEntry { name: "a".parse().unwrap(), bytes, whole, list: name };
    (name, Pull::new(release(1, vec![entry])))
}

#[test]
fn lists_that_contradict_what_stands_above_them_are_refused() {
    let entry = |bytes| Entry { name: Name([1; 32]), bytes };
    let list = |is_of_lists, entries| List { is_of_lists, entries }.encode();
    let flat = list(false, vec![entry(10), entry(10)]);
    let (name, mut pull) = of_list(&flat, 20);
    assert_eq!(pull.handle(Event::List(name, &flat)), Ok(()));
    assert_eq!(pull.handle(Event::List(name, &flat)), Err(PullError::Unasked(name)));

    let (name, mut pull) = of_list(&flat, 21);
    assert_eq!(pull.handle(Event::List(name, &flat)), Err(PullError::Misfit(name)));

    let two_lengths = list(false, vec![entry(10), entry(11)]);
    let (name, mut pull) = of_list(&two_lengths, 21);
    assert_eq!(pull.handle(Event::List(name, &two_lengths)), Err(PullError::Misfit(name)));

    let nested = Entry { name: Name::of(&list(true, vec![entry(5)])), bytes: 5 };
    let above = list(true, vec![nested]);
    let (name, mut pull) = of_list(&above, 5);
    pull.handle(Event::List(name, &above)).unwrap();
    let deep = list(true, vec![entry(5)]);
    let refused = pull.handle(Event::List(nested.name, &deep));
    assert_eq!(refused, Err(PullError::Misfit(nested.name)));

    let (name, mut pull) = of_list(b"no list", 5);
    let bad = pull.handle(Event::List(name, b"no list"));
    assert_eq!(bad, Err(PullError::List(name, BadList::Format)));
    let stranger = Name([9; 32]);
    assert_eq!(pull.handle(Event::Stored(stranger)), Err(PullError::Unasked(stranger)));
}

/// A name that no other number has.
fn numbered(number: usize) -> Name {
    let mut name = [0; 32];
    name[..8].copy_from_slice(&(number as u64).to_be_bytes());
    Name(name)
}

/// Bytes of a piece in tests of numbers: as few as a long file's pieces may have in the mean.
const PIECE_BYTES: u64 = 4096;

fn flat(numbers: std::ops::Range<usize>) -> Vec<u8> {
    let entry = |number| Entry { name: numbered(number), bytes: PIECE_BYTES };
    List { is_of_lists: false, entries: numbers.map(entry).collect() }.encode()
}

fn entry_of(list: &[u8]) -> Entry {
    Entry { name: Name::of(list), bytes: List::decode(list).unwrap().bytes() }
}

fn above(lists: &[Vec<u8>]) -> Vec<u8> {
    List { is_of_lists: true, entries: lists.iter().map(|list| entry_of(list)).collect() }.encode()
}

/// A list of lists that names the same list so many times.
fn repeated(list: &[u8], times: usize) -> Vec<Entry> {
    vec![entry_of(list); times]
}

fn length(list: &[u8]) -> u64 {
    List::decode(list).unwrap().bytes()
}

/// A release of these files, of which each is a list.
fn of_lists(lists: &[&Vec<u8>]) -> Pull {
    let file = |(number, list): (usize, &&Vec<u8>)| FileEntry {
        name: format!("{number:04}").parse().unwrap(),
        bytes: length(list),
        whole: Name([0; 32]),
        list: Name::of(list),
    };
    Pull::new(release(1, lists.iter().enumerate().map(file).collect()))
}

fn hand_in(pull: &mut Pull, list: &[u8]) -> Result<(), PullError> {
    pull.handle(Event::List(Name::of(list), list))
}

#[test]
fn a_release_has_at_most_so_many_pieces() {
    let per_list = ENTRIES_MAX;
    let whole = PIECES_MAX / per_list;
    let mut lists: Vec<Vec<u8>> =
        (0..whole).map(|list| flat(list * per_list..(list + 1) * per_list)).collect();
    for has_one_more in [false, true] {
        if has_one_more {
            lists.push(flat(PIECES_MAX..PIECES_MAX + 1));
        }
        let above = above(&lists);
        let mut pull = of_lists(&[&above]);
        hand_in(&mut pull, &above).unwrap();
        let (last, others) = lists.split_last().unwrap();
        others.iter().for_each(|list| hand_in(&mut pull, list).unwrap());
        let expected = if has_one_more { Err(PullError::TooMany) } else { Ok(()) };
        assert_eq!(hand_in(&mut pull, last), expected);
    }
}

#[test]
fn a_small_list_of_lists_that_names_one_list_again_and_again_asks_for_a_bounded_number() {
    // One list of 4,096 pieces, 1,024 times in a list of lists: 200 KB that stand for 4 million places.
    let list = flat(0..ENTRIES_MAX);
    let above = List { is_of_lists: true, entries: repeated(&list, 1024) }.encode();
    let mut pull = of_lists(&[&above]);
    hand_in(&mut pull, &above).unwrap();
    assert_eq!(hand_in(&mut pull, &list), Err(PullError::TooManyEntries));
}

#[test]
fn entries_are_counted_at_each_place_up_to_n_and_not_to_n_plus_1() {
    let list = flat(0..ENTRIES_MAX);
    let full = ENTRIES_PLACED_MAX / ENTRIES_MAX;
    for (lists, last, expected) in [
        // The list of lists counts itself: its entries take the places of one list, less the rest.
        (full - 1, ENTRIES_MAX - full, Ok(())),
        (full - 1, ENTRIES_MAX - full + 1, Err(PullError::TooManyEntries)),
    ] {
        let last = flat(0..last);
        let mut entries = repeated(&list, lists);
        entries.push(entry_of(&last));
        let above = List { is_of_lists: true, entries }.encode();
        let mut pull = of_lists(&[&above]);
        hand_in(&mut pull, &above).unwrap();
        hand_in(&mut pull, &list).unwrap();
        assert_eq!(hand_in(&mut pull, &last), expected);
    }
}

#[test]
fn a_release_has_at_most_so_many_lists_counted_where_they_stand() {
    let one = flat(0..1);
    let of = |count| List { is_of_lists: true, entries: repeated(&one, count) }.encode();
    let (first, rest) = (of(ENTRIES_MAX), of(LISTS_MAX - ENTRIES_MAX - 2));
    let more = of(LISTS_MAX - ENTRIES_MAX - 1);
    for (second, expected) in [(rest, Ok(())), (more, Err(PullError::TooManyLists))] {
        let mut pull = of_lists(&[&first, &second]);
        hand_in(&mut pull, &first).unwrap();
        assert_eq!(hand_in(&mut pull, &second), expected);
    }
}

#[test]
fn a_file_has_as_many_entries_as_its_declared_length_allows_and_not_one_more() {
    // Beyond one full list, each entry needs 4,096 bytes of file: entries of one byte each have none.
    let fine = |numbers: std::ops::Range<usize>| {
        let entry = |number| Entry { name: numbered(number), bytes: 1 };
        List { is_of_lists: false, entries: numbers.map(entry).collect() }.encode()
    };
    for (second, expected) in [(ENTRIES_MAX / 2 - 2, true), (ENTRIES_MAX / 2 - 1, false)] {
        let lists = [fine(0..ENTRIES_MAX / 2), fine(0..second)];
        // Two entries of the list of lists are counted, and the 4,096 bytes that the file nearly has allow none more.
        let above = above(&lists);
        let mut pull = of_lists(&[&above]);
        hand_in(&mut pull, &above).unwrap();
        hand_in(&mut pull, &lists[0]).unwrap();
        let done = hand_in(&mut pull, &lists[1]);
        let refused = Err(PullError::TooFine(Name::of(&lists[1])));
        assert_eq!(done, if expected { Ok(()) } else { refused }, "{second}");
    }
}
