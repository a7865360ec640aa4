//! The stream of faults: a seed gives all of it, whatever the town does meanwhile.

use std::time::Duration;

/// A kind of fault. The letter and number are those of the plan of faults that gtctl must stand.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Kind {
    // --- agents (F14, F22)
    KillAgent,
    TerminateAgent,
    KillInside,
    KillAll,
    // --- the tmux server (F8, F9, F10)
    KillServer,
    StopServer,
    RemoveSocket,
    // --- the controller (F1, F19, F20)
    KillController,
    TerminateController,
    StopController,
    SecondController,
    SwapControllers,
    StarveController,
    RemoveLock,
    // --- what tmux answers (F2, F3, F7, F9)
    SlowTmux,
    TooSlowTmux,
    FailingTmux,
    NonsenseTmux,
    LyingTmux,
    LyingChanges,
    EmptyLooks,
    HalfLooks,
    CutReplies,
    LostReplies,
    HangingReplies,
    LateChanges,
    // --- files (F17)
    BreakTownToml,
    BreakRigs,
    BreakWisp,
    RenameStorm,
    // --- wishes (F12)
    Park,
    ParkByWisp,
    ParkAll,
    EmergencyStop,
    EditSpec,
    // --- people at tmux (F12, F13)
    HandSession,
    TakeName,
    KillSession,
    RenameSession,
    SplitPane,
    KillPane,
    RemoveLabel,
    // --- disk and places (F18, F20)
    RefuseLedger,
    RemoveDirectory,
    RemoveProgram,
}

impl Kind {
    /// All of them.
    pub const ALL: [Self; 45] = [
        Self::KillAgent,
        Self::TerminateAgent,
        Self::KillInside,
        Self::KillAll,
        Self::KillServer,
        Self::StopServer,
        Self::RemoveSocket,
        Self::KillController,
        Self::TerminateController,
        Self::StopController,
        Self::SecondController,
        Self::SwapControllers,
        Self::StarveController,
        Self::RemoveLock,
        Self::SlowTmux,
        Self::TooSlowTmux,
        Self::FailingTmux,
        Self::NonsenseTmux,
        Self::LyingTmux,
        Self::LyingChanges,
        Self::EmptyLooks,
        Self::HalfLooks,
        Self::CutReplies,
        Self::LostReplies,
        Self::HangingReplies,
        Self::LateChanges,
        Self::BreakTownToml,
        Self::BreakRigs,
        Self::BreakWisp,
        Self::RenameStorm,
        Self::Park,
        Self::ParkByWisp,
        Self::ParkAll,
        Self::EmergencyStop,
        Self::EditSpec,
        Self::HandSession,
        Self::TakeName,
        Self::KillSession,
        Self::RenameSession,
        Self::SplitPane,
        Self::KillPane,
        Self::RemoveLabel,
        Self::RefuseLedger,
        Self::RemoveDirectory,
        Self::RemoveProgram,
    ];

    /// How often it lies in a deck: what takes the whole town down would else leave too little to hurt.
    fn copies(self) -> usize {
        match self {
            Self::KillAgent => 5,
            Self::KillInside
            | Self::TerminateAgent
            | Self::KillController
            | Self::KillSession
            | Self::RefuseLedger => 2,
            _ => 1,
        }
    }

    /// Whether it is a wish, which lasts longer than a fault: what rests must be seen to rest.
    fn is_wish(self) -> bool {
        matches!(self, Self::Park | Self::ParkByWisp | Self::ParkAll | Self::EmergencyStop)
    }
}

/// A fault that lasts so many milliseconds is longer than anything that was under way when it began.
pub const LONG: usize = 3500;

/// One fault. What `target` and `shade` choose is up to the kind.
#[derive(Debug, Clone, Copy)]
pub struct Fault {
    /// What is done.
    pub kind: Kind,
    /// To whom: the number of an object, a rig, a session.
    pub target: usize,
    /// In which of several ways.
    pub shade: usize,
    /// For how long, where it does not end at once.
    pub lasts: Duration,
}

/// Deals faults from a deck that is shuffled when it is empty, so that no kind waits for ever.
pub struct Generator {
    state: u64,
    deck: Vec<Kind>,
    left_out: Vec<Kind>,
}

impl Generator {
    /// All that follows is decided by `seed`.
    pub fn new(seed: u64) -> Self {
        Self { state: seed, deck: Vec::new(), left_out: Vec::new() }
    }

    /// Begins a round. Every round leaves half of the kinds out, and the next one the other half: what always comes together hides what
    /// comes alone. It begins with a mass stop, while all is well: then it is clear that gtctl sees it and can act.
    pub fn round(&mut self, number: usize) {
        let all = Kind::ALL.into_iter();
        self.left_out = if number.is_multiple_of(2) {
            all.filter(|_| self.below(2) == 0).collect()
        } else {
            all.filter(|kind| !self.left_out.contains(kind)).collect()
        };
        self.shuffle();
        self.deck.push(Kind::ParkAll);
    }

    /// The next fault, and how long to wait before it.
    pub fn next(&mut self) -> (Duration, Fault) {
        if self.deck.is_empty() {
            self.shuffle();
        }
        let kind = self.deck.pop().expect("a deck that was just shuffled");
        // Most faults come one by one, some in a heap.
        let pause = if self.below(4) == 0 { 0 } else { self.below(1000) };
        let lasts = match (kind.is_wish(), self.below(4)) {
            (true, _) if kind == Kind::ParkAll => 1000 + self.below(1000),
            (true, _) => 2000 + self.below(8000),
            // What hinders starts alone hides nothing else, so it may always be long.
            (false, _) if kind == Kind::RefuseLedger => LONG + self.below(1500),
            (false, 0) => LONG + self.below(1500),
            (false, _) => 200 + self.below(800),
        };
        let (target, shade) = (self.below(1000), self.below(1000));
        let fault = Fault { kind, target, shade, lasts: Duration::from_millis(lasts as u64) };
        (Duration::from_millis(pause as u64), fault)
    }

    fn shuffle(&mut self) {
        let left = Kind::ALL.into_iter().filter(|kind| !self.left_out.contains(kind));
        self.deck = left.flat_map(|kind| std::iter::repeat_n(kind, kind.copies())).collect();
        for last in (1..self.deck.len()).rev() {
            let other = self.below(last + 1);
            self.deck.swap(last, other);
        }
    }

    /// A number below `limit`.
    fn below(&mut self, limit: usize) -> usize {
        (self.draw() % limit as u64) as usize
    }

    /// SplitMix64: small, and the same on every machine for ever.
    fn draw(&mut self) -> u64 {
        self.state = self.state.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.state;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }
}
