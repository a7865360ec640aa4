//! How much one input may take. Both limits are far above what an honest parser needs and far below what hurts.

use std::time::Duration;

use peak_alloc::PeakAlloc;
use rustix::time::{ClockId, clock_gettime};

/// Counts what is allocated.
#[global_allocator]
static HEAP: PeakAlloc = PeakAlloc;

/// What any input may take, in bytes: schemas, tables of words, a graph at its own ceiling.
const FLOOR: usize = 32 * 1024 * 1024;

/// What each byte of an input may take. A tree with the place of everything costs about 250 for a byte of `r={},`.
const FOR_A_BYTE: usize = 512;

/// Nothing that gtctl parses takes longer, even unoptimised and a megabyte large. Processor time of this thread, which a busy machine does
/// not stretch; what this finds is a loop or a square, not a slow day.
const LONGEST: Duration = Duration::from_secs(20);

fn spent() -> Duration {
    let time = clock_gettime(ClockId::ThreadCPUTime);
    Duration::new(time.tv_sec.try_into().unwrap_or(0), time.tv_nsec.try_into().unwrap_or(0))
}

/// Runs something on an input of this length; panics if it took too much. Nothing else may run in this process meanwhile.
pub fn within<T>(length: usize, run: impl FnOnce() -> T) -> T {
    let (before, started) = (HEAP.current_usage(), spent());
    HEAP.reset_peak_usage();
    let result = run();
    let taken = HEAP.peak_usage().saturating_sub(before);
    let time = spent().saturating_sub(started);
    if std::env::var_os("GTCTL_FUZZ_SHOW").is_some() && length > 9000 {
        println!("{length} bytes: {taken} bytes of memory, {time:?}");
    }
    let allowed = FLOOR + FOR_A_BYTE * length;
    assert!(taken <= allowed, "{length} bytes of input took {taken} bytes of memory; {allowed} are allowed");
    assert!(time <= LONGEST, "{length} bytes of input took {time:?} of processor time");
    result
}

#[test]
fn what_takes_too_much_is_noticed() {
    let _alone = super::engine::alone();
    assert!(std::panic::catch_unwind(|| within(1, || vec![1u8; FLOOR + 2 * FOR_A_BYTE])).is_err());
    assert_eq!(within(1, || 5), 5);
}
