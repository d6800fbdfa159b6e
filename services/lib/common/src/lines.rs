//! Lines for whoever reads along: handed to a thread of their own, never waited for.
//!
//! The reader of a pipe may stall, and a disk may hang: a service that waited for either could not start a machine that it
//! has stopped. So a sink takes what fits into its queue, drops and counts the rest (`log_lines_dropped_total`), and is
//! given a moment to empty itself at the end. What a command answers to a person does not go this way.
//!
//! Invariant: nothing here writes through `std::io::stderr()` or `stdout()`. Their locks are held while a write waits, and
//! whoever prints after that waits as well. Each sink has a duplicate of the descriptor. That it is not made non-blocking
//! is on purpose: the flag belongs to the open file, which other processes share.

use std::{
    fs::File,
    io::{self, Write},
    os::fd::AsFd,
    sync::{
        Arc, Condvar, LazyLock, Mutex, MutexGuard, PoisonError, Weak,
        atomic::{AtomicU64, Ordering},
        mpsc,
    },
    thread,
    time::Duration,
};

use prometheus_client::metrics::{counter::Counter, family::Family};
use tracing_subscriber::fmt::MakeWriter;

use crate::clock::SystemClock;

/// What a sink holds for a reader that is slow: some ten thousand lines.
const QUEUE_BYTES: usize = 2 * 1024 * 1024;
/// What a line costs beside its text.
const OVERHEAD_BYTES: usize = 64;
/// A descriptor that somebody else made non-blocking is tried again after this long.
const RETRY: Duration = Duration::from_millis(10);

/// `{sink}`; the numbers are the process's, whatever service it is asked of.
pub(crate) static DROPPED: LazyLock<Family<[(&'static str, &'static str); 1], Counter>> =
    LazyLock::new(Family::default);

/// What is waited for at the end of the process.
static SINKS: Mutex<Vec<Weak<State>>> = Mutex::new(Vec::new());

/// A sink of lines. Writing to it returns at once; clones share the queue.
#[derive(Clone, Debug)]
pub struct Lines {
    queue: mpsc::Sender<Vec<u8>>,
    state: Arc<State>,
    limit_bytes: usize,
}

#[derive(Debug)]
struct State {
    waiting: Mutex<Waiting>,
    /// When nothing waits any more.
    empty: Condvar,
    /// The family's, which is the process's.
    dropped: Counter,
    /// This sink's.
    dropped_here: AtomicU64,
}

#[derive(Debug, Default)]
struct Waiting {
    messages: usize,
    bytes: usize,
}

impl State {
    fn waiting(&self) -> MutexGuard<'_, Waiting> {
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn settled(&self, within: Duration) -> bool {
        let (waiting, _) = self
            .empty
            .wait_timeout_while(self.waiting(), within, |waiting| waiting.messages > 0)
            .unwrap_or_else(PoisonError::into_inner);
        waiting.messages == 0
    }

    fn drop_lines(&self, message: &[u8]) {
        let lines = message.split_inclusive(|byte| *byte == b'\n').count() as u64;
        self.dropped.inc_by(lines);
        self.dropped_here.fetch_add(lines, Ordering::Relaxed);
    }
}

impl Lines {
    /// A sink named `name` in metrics that writes to whatever `stream` is open on.
    ///
    /// # Errors
    /// When there is no descriptor or no thread to be had.
    pub fn to_stream(name: &'static str, stream: impl AsFd) -> io::Result<Self> {
        let mut file = File::from(stream.as_fd().try_clone_to_owned()?);
        Self::new(name, QUEUE_BYTES, move |message| {
            write_patiently(&mut file, message).map_err(drop)
        })
    }

    /// A sink whose messages `write` takes, on a thread of its own; it may block for ever. What it answers with an error is
    /// counted as dropped.
    ///
    /// # Errors
    /// When there is no thread to be had.
    pub fn to_writer(
        name: &'static str,
        write: impl FnMut(&[u8]) -> Result<(), ()> + Send + 'static,
    ) -> io::Result<Self> {
        Self::new(name, QUEUE_BYTES, write)
    }

    fn new(
        name: &'static str,
        limit_bytes: usize,
        mut write: impl FnMut(&[u8]) -> Result<(), ()> + Send + 'static,
    ) -> io::Result<Self> {
        let (queue, messages) = mpsc::channel::<Vec<u8>>();
        let state = Arc::new(State {
            waiting: Mutex::default(),
            empty: Condvar::new(),
            dropped: DROPPED.get_or_create_owned(&[("sink", name)]),
            dropped_here: AtomicU64::new(0),
        });
        let working = Arc::clone(&state);
        // Not joined by anybody: it may hang in the kernel, and the process must be able to end.
        thread::Builder::new()
            .name(format!("lines-{name}"))
            .spawn(move || {
                let mut told = 0;
                for message in messages {
                    if write(&message).is_err() {
                        working.drop_lines(&message);
                        told = working.dropped_here.load(Ordering::Relaxed);
                    }
                    let dropped = working.dropped_here.load(Ordering::Relaxed);
                    if dropped > told && write(gap(dropped - told).as_bytes()).is_ok() {
                        told = dropped;
                    }
                    let mut waiting = working.waiting();
                    waiting.messages -= 1;
                    waiting.bytes -= message.len() + OVERHEAD_BYTES;
                    if waiting.messages == 0 {
                        working.empty.notify_all();
                    }
                }
            })?;
        let mut sinks = SINKS.lock().unwrap_or_else(PoisonError::into_inner);
        sinks.retain(|sink| sink.strong_count() > 0);
        sinks.push(Arc::downgrade(&state));
        Ok(Self {
            queue,
            state,
            limit_bytes,
        })
    }

    /// Hands over one or more whole lines, or drops and counts them when the queue is full.
    pub fn push(&self, message: &[u8]) {
        let bytes = message.len() + OVERHEAD_BYTES;
        {
            let mut waiting = self.state.waiting();
            if waiting.bytes + bytes > self.limit_bytes {
                drop(waiting);
                self.state.drop_lines(message);
                return;
            }
            waiting.messages += 1;
            waiting.bytes += bytes;
        }
        if self.queue.send(message.to_vec()).is_err() {
            let mut waiting = self.state.waiting();
            waiting.messages -= 1;
            waiting.bytes -= bytes;
            drop(waiting);
            self.state.drop_lines(message);
        }
    }

    /// True when nothing waits to be written.
    pub fn is_idle(&self) -> bool {
        self.state.waiting().messages == 0
    }

    /// Waits until everything is written, or `within` is over; false then. It blocks the thread.
    pub fn settled(&self, within: Duration) -> bool {
        self.state.settled(within)
    }

    /// Lines that this sink did not take so far.
    pub fn dropped(&self) -> u64 {
        self.state.dropped_here.load(Ordering::Relaxed)
    }
}

impl Write for Lines {
    fn write(&mut self, line: &[u8]) -> io::Result<usize> {
        self.push(line);
        Ok(line.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl<'a> MakeWriter<'a> for Lines {
    type Writer = Self;

    fn make_writer(&'a self) -> Self {
        self.clone()
    }
}

/// Gives every sink of the process until `within` is over to write what it holds; together, not each.
pub fn settle_all(within: Duration) {
    let sinks: Vec<Arc<State>> = {
        let sinks = SINKS.lock().unwrap_or_else(PoisonError::into_inner);
        sinks.iter().filter_map(Weak::upgrade).collect()
    };
    let (done, all) = mpsc::channel::<()>();
    for sink in sinks {
        let done = done.clone();
        // Without a thread for it there is nobody to wait for.
        let _ = thread::Builder::new().spawn(move || {
            sink.settled(within);
            drop(done);
        });
    }
    drop(done);
    // Disconnected when the last one is through.
    let _ = all.recv_timeout(within);
}

fn gap(dropped: u64) -> String {
    format!("[{dropped} lines were dropped here, because nobody read them in time]\n")
}

fn write_patiently(file: &mut File, mut message: &[u8]) -> io::Result<()> {
    while !message.is_empty() {
        match file.write(message) {
            Ok(0) => return Err(io::ErrorKind::WriteZero.into()),
            Ok(written) => message = &message[written..],
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => SystemClock.block(RETRY),
            Err(error) => return Err(error),
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use std::io::{BufRead as _, BufReader};

    use super::*;

    const SOON: Duration = Duration::from_secs(10);

    #[test]
    fn lines_come_through_in_order() {
        let (reader, writer) = io::pipe().unwrap();
        let lines = Lines::to_stream("test-order", &writer).unwrap();
        drop(writer);
        for number in 0..1_000 {
            lines.push(format!("line {number}\n").as_bytes());
        }
        assert!(lines.settled(SOON));
        assert_eq!(lines.dropped(), 0);
        drop(lines);
        let read: Vec<String> = BufReader::new(reader).lines().map(Result::unwrap).collect();
        assert_eq!(read.len(), 1_000);
        assert_eq!(read[999], "line 999");
    }

    #[test]
    fn a_reader_that_stalls_blocks_nobody_and_what_it_missed_is_counted_and_said() {
        let (reader, writer) = io::pipe().unwrap();
        let lines = Lines::to_stream("test-stall", &writer).unwrap();
        drop(writer);
        let line = [b'x'; 999];
        let line = [&line[..], b"\n"].concat();
        // More than pipe and queue hold.
        for _ in 0..4_000 {
            lines.push(&line);
        }
        let dropped = lines.dropped();
        assert!((1_000..3_900).contains(&dropped), "{dropped}");
        assert!(!lines.settled(Duration::from_millis(20)));
        assert!(
            DROPPED.get_or_create(&[("sink", "test-stall")]).get() >= dropped,
            "not in the metrics"
        );

        // It reads again: the rest comes, with the gap marked.
        let reading = thread::spawn(move || {
            BufReader::new(reader)
                .lines()
                .map_while(Result::ok)
                .collect::<Vec<_>>()
        });
        assert!(lines.settled(SOON));
        lines.push(b"the end\n");
        assert!(lines.settled(SOON));
        drop(lines);
        let read = reading.join().unwrap();
        assert_eq!(read.last().map(String::as_str), Some("the end"));
        let gaps = read.iter().filter_map(|line| {
            let rest = line.strip_prefix('[')?;
            rest.split_once(" lines were dropped")?
                .0
                .parse::<u64>()
                .ok()
        });
        assert_eq!(gaps.sum::<u64>(), dropped);
    }

    #[test]
    fn what_can_not_be_written_is_counted_by_line() {
        let lines = Lines::to_writer("test-error", |_| Err(())).unwrap();
        lines.push(b"one\ntwo\n");
        assert!(lines.settled(SOON));
        assert_eq!(lines.dropped(), 2);
    }

    #[test]
    fn the_end_waits_for_what_is_written_and_not_for_what_hangs() {
        let (hold, held) = mpsc::channel::<()>();
        let hangs = Lines::to_writer("test-hang", move |_| held.recv().map_err(drop)).unwrap();
        hangs.push(b"never\n");
        let (wrote, written) = mpsc::channel();
        let works = Lines::to_writer("test-work", move |line| {
            SystemClock.block(Duration::from_millis(50));
            wrote.send(line.to_vec()).map_err(drop)
        })
        .unwrap();
        works.push(b"last words\n");
        settle_all(Duration::from_millis(500));
        assert_eq!(written.try_recv().unwrap(), b"last words\n");
        assert!(!hangs.is_idle());
        drop(hold);
    }
}
