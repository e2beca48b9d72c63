//! The allocator of the `db` command, with a count by thread, so that an area can tell what a query allocates.

use mimalloc::MiMalloc;
use std::{
    alloc::{GlobalAlloc, Layout},
    cell::Cell,
};

/// mimalloc, counting.
pub(crate) struct Counting;

/// What a thread has asked for since it began. A block that grows counts once more, with its new size.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Counted {
    pub(crate) allocations: u64,
    pub(crate) bytes: u64,
}

/// The figures of the calling thread.
pub(crate) fn of_this_thread() -> Counted {
    COUNTED.get()
}

thread_local! {
    // Neither made at first use nor dropped: an allocator may touch it at any time in the life of a thread.
    static COUNTED: Cell<Counted> = const { Cell::new(Counted { allocations: 0, bytes: 0 }) };
}

fn count(bytes: usize) {
    let Counted { allocations, bytes: before } = COUNTED.get();
    COUNTED.set(Counted { allocations: allocations + 1, bytes: before + bytes as u64 });
}

#[expect(unsafe_code, reason = "the allocator's trait is unsafe; every call goes on to mimalloc as it came")]
// SAFETY: mimalloc keeps the trait's promises, and counting does not allocate.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        count(layout.size());
        // SAFETY: the caller's promise is passed on.
        unsafe { MiMalloc.alloc(layout) }
    }

    unsafe fn alloc_zeroed(&self, layout: Layout) -> *mut u8 {
        count(layout.size());
        // SAFETY: the caller's promise is passed on.
        unsafe { MiMalloc.alloc_zeroed(layout) }
    }

    unsafe fn realloc(&self, block: *mut u8, layout: Layout, size: usize) -> *mut u8 {
        count(size);
        // SAFETY: the caller's promise is passed on.
        unsafe { MiMalloc.realloc(block, layout, size) }
    }

    unsafe fn dealloc(&self, block: *mut u8, layout: Layout) {
        // SAFETY: the caller's promise is passed on.
        unsafe { MiMalloc.dealloc(block, layout) }
    }
}

#[cfg(test)]
mod tests {
    use super::of_this_thread;
    use std::hint::black_box;

    #[test]
    fn what_this_thread_allocates_is_counted() {
        let before = of_this_thread();
        drop(black_box(Vec::<u8>::with_capacity(100)));
        let after = of_this_thread();
        assert_eq!((after.allocations - before.allocations, after.bytes - before.bytes), (1, 100));
    }
}
