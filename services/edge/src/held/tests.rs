use std::path::Path;

use super::*;

fn store(total: usize, per_mail: usize, directory: &Path) -> Arc<Store> {
    let gauges = (Gauge::default(), Gauge::default());
    Arc::new(Store::new(total, per_mail, 1 << 20, directory.to_path_buf(), gauges))
}

async fn held(store: &Arc<Store>, bytes: &[u8], piece: usize) -> Result<Held, HeldError> {
    let mut holding = Holding::new(store.clone());
    for part in bytes.chunks(piece) {
        holding.push(part).await?;
    }
    holding.finish().await
}

fn mail(length: usize) -> Vec<u8> {
    (0..length).map(|at| (at * 31 % 251) as u8).collect()
}

#[tokio::test]
async fn a_mail_of_the_limit_stays_in_memory_and_one_byte_more_goes_to_the_spool() {
    let directory = tempfile::tempdir().unwrap();
    let store = store(1 << 20, 64 * 1024, directory.path());
    for (length, spooled) in
        [(0, false), (64 * 1024, false), (64 * 1024 + 1, true), (500_000, true)]
    {
        for piece in [1000, 70_000] {
            let bytes = mail(length);
            let held = held(&store, &bytes, piece).await.unwrap();
            assert_eq!((held.size(), held.is_spooled()), (length as u64, spooled));
            let mut read = Vec::new();
            while read.len() < length {
                read.extend_from_slice(&held.read(read.len() as u64, 9999).await.unwrap());
            }
            assert_eq!(read, bytes);
            assert!(held.read(length as u64, 5).await.unwrap().is_empty());
        }
    }
    assert_eq!((store.memory.get(), store.spooled.get()), (0, 0), "all was given back");
    assert_eq!(std::fs::read_dir(directory.path()).unwrap().count(), 0, "no file has a name");
}

#[tokio::test]
async fn when_the_memory_of_all_mails_is_taken_the_next_goes_to_the_spool_at_once() {
    let directory = tempfile::tempdir().unwrap();
    let store = store(2 * BLOCK_BYTES, 2 * BLOCK_BYTES, directory.path());
    let first = held(&store, &mail(BLOCK_BYTES), 100).await.unwrap();
    let second = held(&store, &mail(BLOCK_BYTES), 100).await.unwrap();
    let third = held(&store, &mail(10), 100).await.unwrap();
    let spooled = [&first, &second, &third].map(Held::is_spooled);
    assert_eq!(spooled, [false, false, true]);
    assert_eq!(store.memory.get(), 2 * BLOCK_BYTES as i64);
    drop(first);
    assert!(!held(&store, &mail(10), 100).await.unwrap().is_spooled());
}

#[tokio::test]
async fn the_size_limit_is_kept_and_a_spool_that_fails_is_an_error_not_a_loss() {
    let directory = tempfile::tempdir().unwrap();
    let store1 = store(1 << 20, 1 << 16, directory.path());
    assert!(held(&store1, &mail(1 << 20), 5000).await.is_ok());
    let error = held(&store1, &mail((1 << 20) + 1), 5000).await.unwrap_err();
    assert!(matches!(error, HeldError::TooLarge(_)), "{error}");
    let nowhere = store(1 << 20, 1 << 16, &directory.path().join("missing"));
    let error = held(&nowhere, &mail(1 << 17), 5000).await.unwrap_err();
    assert!(matches!(error, HeldError::Spool(_)), "{error}");
    assert_eq!(nowhere.memory.get(), 0);
}

#[tokio::test]
async fn content_is_decoded_the_same_from_memory_and_spool() {
    let directory = tempfile::tempdir().unwrap();
    let line = b"TWFuIGlzIGRpc3Rpbmd1aXNoZWQ=\r\n".repeat(9000);
    let bytes =
        [b"Content-Type: application/x\r\nContent-Transfer-Encoding: base64\r\n\r\n", &line[..]]
            .concat();
    let dissected = tamis_message::digesting::dissect(&bytes);
    let span = dissected.spans[0].clone().unwrap();
    let store = store(1 << 20, 1 << 20, directory.path());
    let small = store_of_one_block(directory.path());
    let mut contents = Vec::new();
    for store in [store, small] {
        let held = held(&store, &bytes, 4096).await.unwrap();
        let mut content = held.content(&span);
        let mut out = Vec::new();
        while content.read_into(&mut out).await.unwrap() {}
        contents.push(out);
    }
    assert_eq!(contents[0].len() as u64, dissected.outline.parts[0].size);
    assert_eq!(contents[0], contents[1]);
}

fn store_of_one_block(directory: &Path) -> Arc<Store> {
    store(BLOCK_BYTES, BLOCK_BYTES, directory)
}
