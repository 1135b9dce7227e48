use std::sync::atomic::AtomicUsize;

use gridshell_interfaces::ServiceError;
use tokio::time::advance;

use super::*;

const ID: Uuid = Uuid::from_u128(1);
const MINUTE: Duration = Duration::from_secs(60);

/// As in front of other shells.
const EDGE: CacheOptions = CacheOptions {
    capacity: 1024 * 1024,
    mutable_time: Some(MINUTE),
    missing_time: Duration::from_secs(5),
    serve_stale: false,
    copies: false,
};

fn answer(body: &'static str, is_mutable: bool) -> Outcome {
    Ok(Some(Answer { body: Bytes::from_static(body.as_bytes()), content_type: "text/plain", tag: None, is_mutable }))
}

fn unavailable() -> Outcome {
    Err(ServiceError::unavailable("nobody is there"))
}

/// Asks for the data of an asset; the service would say `loaded`. Gives the text of the answer, and whether the service was asked.
async fn ask_about(cache: &Arc<AssetCache>, id: Uuid, loaded: Outcome) -> (Result<Option<String>>, bool) {
    let asked = AtomicUsize::new(0);
    let outcome = cache.get_or_load(id, Form::Data, || {
        asked.fetch_add(1, Ordering::SeqCst);
        let loaded = loaded.clone();
        async move { loaded }
    });
    let text = outcome.await.map(|found| found.map(|answer| String::from_utf8(answer.body.to_vec()).unwrap()));
    (text, asked.into_inner() > 0)
}

async fn ask(cache: &Arc<AssetCache>, loaded: Outcome) -> (Option<String>, bool) {
    let (found, is_asked) = ask_about(cache, ID, loaded).await;
    (found.unwrap(), is_asked)
}

fn some(text: &str) -> Option<String> {
    Some(text.to_owned())
}

#[tokio::test(start_paused = true)]
async fn a_local_service_is_kept_for_ever_and_asked_each_time_for_what_is_missing() {
    let cache = AssetCache::new(1024);
    assert_eq!(ask(&cache, Ok(None)).await, (None, true));
    assert_eq!(ask(&cache, answer("old", true)).await, (some("old"), true));
    advance(MINUTE * 1_000_000).await;
    assert_eq!(ask(&cache, answer("new", true)).await, (some("old"), false));
    assert_eq!(cache.state().hits, 1);
}

/// Bytes whose owner tells when it ends.
struct Owned(Vec<u8>, Arc<AtomicUsize>);

impl AsRef<[u8]> for Owned {
    fn as_ref(&self) -> &[u8] {
        &self.0
    }
}

impl Drop for Owned {
    fn drop(&mut self) {
        self.1.fetch_add(1, Ordering::SeqCst);
    }
}

#[tokio::test]
async fn what_is_kept_keeps_nothing_else_where_it_may_be_part_of_that() {
    let ended = Arc::new(AtomicUsize::new(0));
    let owned = |length: usize| Bytes::from_owner(Owned(vec![b'x'; length], ended.clone()));
    let load = async |cache: &Arc<AssetCache>, id: u128, body: Bytes| {
        let body = Mutex::new(Some(body));
        let load = || {
            let body = body.lock().unwrap().take().unwrap();
            async move { Ok(Some(Answer { body, content_type: "text/plain", tag: None, is_mutable: false })) }
        };
        cache.get_or_load(Uuid::from_u128(id), Form::Data, load).await.unwrap().unwrap().body
    };
    let cache = AssetCache::with_options(CacheOptions { capacity: 10_000, copies: true, ..CacheOptions::default() });
    assert_eq!(load(&cache, 1, owned(2000)).await, vec![b'x'; 2000]);
    assert_eq!(load(&cache, 2, owned(2000).slice(10..20)).await, b"x".repeat(10));
    assert_eq!((cache.state().entries, ended.load(Ordering::SeqCst)), (2, 2));
    // What is too large to be kept goes to who asks as it is.
    let large = owned(20_000);
    let (at, body) = (large.as_ptr(), load(&cache, 3, large).await);
    assert_eq!((body.as_ptr(), ended.load(Ordering::SeqCst)), (at, 2));
    // So does what is the service's to give.
    let cache = AssetCache::new(10_000);
    let given = owned(2000);
    let (at, body) = (given.as_ptr(), load(&cache, 1, given).await);
    assert_eq!((body.as_ptr(), cache.state().entries), (at, 1));
}

#[tokio::test(start_paused = true)]
async fn only_what_may_change_grows_old() {
    let (cache, fixed) = (AssetCache::with_options(EDGE), Uuid::from_u128(2));
    assert_eq!(ask(&cache, answer("old", true)).await, (some("old"), true));
    assert!(ask_about(&cache, fixed, answer("fixed", false)).await.1);
    advance(MINUTE - Duration::from_millis(1)).await;
    assert_eq!(ask(&cache, answer("new", true)).await, (some("old"), false));
    advance(Duration::from_millis(1)).await;
    assert_eq!(ask(&cache, answer("new", true)).await, (some("new"), true));
    assert_eq!(ask(&cache, answer("newer", true)).await, (some("new"), false));
    assert!(!ask_about(&cache, fixed, answer("other", false)).await.1);
    // What is not there any more is not kept either.
    advance(MINUTE).await;
    assert_eq!(ask(&cache, Ok(None)).await, (None, true));
    advance(MINUTE).await;
    assert_eq!(ask(&cache, unavailable().or(Ok(None))).await, (None, true));
    assert_eq!(cache.state().entries, 1);
}

#[tokio::test(start_paused = true)]
async fn the_old_answer_is_given_only_when_that_is_wanted_and_nobody_can_be_asked() {
    let cache = AssetCache::with_options(EDGE);
    ask(&cache, answer("old", true)).await;
    advance(MINUTE).await;
    assert_eq!(ask_about(&cache, ID, unavailable()).await.0.unwrap_err().kind, ErrorKind::Unavailable);

    let cache = AssetCache::with_options(CacheOptions { serve_stale: true, ..EDGE });
    ask(&cache, answer("old", true)).await;
    for _ in 0..3 {
        advance(MINUTE).await;
        assert_eq!(ask(&cache, unavailable()).await, (some("old"), true));
        // Nobody waits for a service again and again that is away.
        assert_eq!(ask(&cache, unavailable()).await, (some("old"), false));
    }
    assert_eq!(cache.state().stale, 3);
    advance(MINUTE).await;
    let broken = Err(ServiceError::internal("a lost table"));
    assert_eq!(ask_about(&cache, ID, broken).await.0.unwrap_err().kind, ErrorKind::Internal);
    assert_eq!(ask(&cache, answer("new", true)).await, (some("new"), true));
    // What was never there has no old answer.
    assert!(ask_about(&cache, Uuid::nil(), unavailable()).await.0.is_err());
}

#[tokio::test(start_paused = true)]
async fn what_is_missing_is_remembered_for_a_short_time_and_until_it_changes() {
    let cache = AssetCache::with_options(EDGE);
    assert_eq!(ask(&cache, Ok(None)).await, (None, true));
    advance(Duration::from_millis(4999)).await;
    assert_eq!(ask(&cache, answer("stored elsewhere", false)).await, (None, false));
    advance(Duration::from_millis(1)).await;
    assert_eq!(ask(&cache, Ok(None)).await, (None, true));
    cache.forget(ID);
    assert_eq!(ask(&cache, answer("stored", false)).await, (some("stored"), true));
    let state = cache.state();
    assert_eq!((state.hits, state.misses, state.missing), (0, 3, 1));
    // A failure says nothing of what is there.
    let other = Uuid::from_u128(2);
    assert!(ask_about(&cache, other, unavailable()).await.0.is_err());
    assert!(ask_about(&cache, other, answer("x", false)).await.1);
    // And there is a bound.
    for number in 100..100 + 2 * MISSING as u128 {
        ask_about(&cache, Uuid::from_u128(number), Ok(None)).await.0.unwrap();
    }
    assert!(cache.missing.get().unwrap().len() <= MISSING);
}

#[tokio::test(start_paused = true)]
async fn a_missing_answer_from_before_a_change_is_not_remembered_after_it() {
    let cache = AssetCache::with_options(EDGE);
    let (go_on, gate) = tokio::sync::oneshot::channel();
    let gate = Mutex::new(Some(gate));
    let look_up = cache.get_or_load(ID, Form::Data, || {
        let gate = gate.lock().unwrap().take().unwrap();
        async move {
            gate.await.unwrap();
            Ok(None)
        }
    });
    let mut look_up = std::pin::pin!(look_up);
    assert!(futures_util::poll!(&mut look_up).is_pending());
    cache.forget(ID);
    go_on.send(()).unwrap();
    assert!(look_up.await.unwrap().is_none());
    assert_eq!(ask(&cache, answer("stored", false)).await, (some("stored"), true));
}

#[tokio::test(start_paused = true)]
async fn without_room_nothing_is_kept() {
    let cache = AssetCache::with_options(CacheOptions { capacity: 0, serve_stale: true, ..EDGE });
    assert!(!cache.tells_mutable_apart());
    for loaded in [Ok(None), Ok(None), answer("x", false), answer("y", true)] {
        assert!(ask(&cache, loaded).await.1);
    }
    assert!(ask_about(&cache, ID, unavailable()).await.0.is_err());
}

#[tokio::test]
async fn everything_can_be_forgotten() {
    let cache = AssetCache::with_options(EDGE);
    ask(&cache, answer("x", false)).await;
    ask_about(&cache, Uuid::nil(), Ok(None)).await.0.unwrap();
    cache.clear();
    assert_eq!((cache.state().entries, cache.state().bytes), (0, 0));
    assert!(ask(&cache, answer("y", false)).await.1);
    assert!(ask_about(&cache, Uuid::nil(), Ok(None)).await.1);
}

/// Begins a look-up in a runtime of its own that fails when it is told to. Gives what tells it, and its thread.
fn begin_elsewhere(cache: &Arc<AssetCache>) -> (tokio::sync::oneshot::Sender<()>, std::thread::JoinHandle<Outcome>) {
    let ((go_on, gate), (begun, is_begun)) = (tokio::sync::oneshot::channel(), std::sync::mpsc::channel());
    let cache = cache.clone();
    let elsewhere = std::thread::spawn(move || {
        let gate = Mutex::new(Some(gate));
        let look_up = cache.get_or_load(ID, Form::Data, || {
            let gate = gate.lock().unwrap().take().unwrap();
            begun.send(()).unwrap();
            async move {
                gate.await.unwrap();
                unavailable()
            }
        });
        tokio::runtime::Builder::new_current_thread().build().unwrap().block_on(look_up)
    });
    is_begun.recv().unwrap();
    (go_on, elsewhere)
}

#[tokio::test]
async fn a_look_up_that_fails_in_another_runtime_is_tried_in_ones_own() {
    let cache = AssetCache::with_options(EDGE);
    let (go_on, elsewhere) = begin_elsewhere(&cache);
    let mut own = Box::pin(ask_about(&cache, ID, answer("x", false)));
    assert!(futures_util::poll!(&mut own).is_pending(), "it joins");
    go_on.send(()).unwrap();
    assert_eq!(own.await.0.unwrap(), some("x"));
    assert!(elsewhere.join().unwrap().is_err(), "who began it has its failure");
}

#[tokio::test]
async fn a_look_up_that_fails_in_ones_own_runtime_has_failed() {
    let cache = AssetCache::with_options(EDGE);
    let (go_on, gate) = tokio::sync::oneshot::channel();
    let gate = Mutex::new(Some(gate));
    let first = cache.get_or_load(ID, Form::Data, || {
        let gate = gate.lock().unwrap().take().unwrap();
        async move {
            gate.await.unwrap();
            unavailable()
        }
    });
    let mut first = std::pin::pin!(first);
    assert!(futures_util::poll!(&mut first).is_pending());
    let mut second = Box::pin(ask_about(&cache, ID, answer("x", false)));
    assert!(futures_util::poll!(&mut second).is_pending(), "it joins");
    go_on.send(()).unwrap();
    assert!(first.await.is_err());
    let (outcome, is_asked) = second.await;
    assert!(outcome.is_err() && !is_asked);
}

#[tokio::test(start_paused = true)]
async fn other_options_count_from_now_on_and_lose_nothing_that_fits() {
    let cache = AssetCache::with_options(EDGE);
    assert_eq!(ask(&cache, answer("kept", false)).await, (some("kept"), true));
    let missing = Uuid::from_u128(2);
    assert!(ask_about(&cache, missing, Ok(None)).await.1 && !ask_about(&cache, missing, Ok(None)).await.1);
    cache.set_options(CacheOptions { capacity: 2 * EDGE.capacity, missing_time: Duration::ZERO, ..EDGE });
    assert_eq!(ask(&cache, answer("new", false)).await, (some("kept"), false));
    assert!(ask_about(&cache, missing, Ok(None)).await.1, "it is no longer remembered what is missing");
    assert!(ask_about(&cache, missing, Ok(None)).await.1);
    cache.set_options(CacheOptions { capacity: 0, ..EDGE });
    assert_eq!(ask(&cache, answer("new", false)).await, (some("new"), true));
    assert_eq!(cache.state().capacity, 0);
}
