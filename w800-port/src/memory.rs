//! The one block of memory that a client has from `init` to `deinit`, cut into pieces.

use core::ffi::c_char;
use core::mem::MaybeUninit;
use core::ops::{Deref, DerefMut, Range};
use core::ptr::{self, NonNull};
use core::str;

use mqtt_core::{Buffers, Config, Inbound, Slot};

use crate::client::Client;
use crate::config::{Auth, Given, Kept, Shape, default_id, endpoint};
use crate::error::Failure;
use crate::events::{Event, Events};
use crate::journal::durable;
use crate::port::{self, Heap, Target};

/// A C string in the block.
///
/// It is called `'static`, like all that is in there: the block lasts as long as the [`Client`] in
/// it, which alone knows of it.
#[derive(Clone, Copy)]
pub(crate) struct CText(&'static [u8]);

impl CText {
    /// The text without its NUL.
    pub(crate) fn bytes(self) -> &'static [u8] {
        self.0.split_last().map_or(&[], |(_, text)| text)
    }

    pub(crate) fn str(self) -> Option<&'static str> {
        str::from_utf8(self.bytes()).ok()
    }

    pub(crate) const fn as_ptr(self) -> *const c_char {
        self.0.as_ptr().cast()
    }
}

/// How long a block has to be.
struct Plan(usize);

impl Plan {
    fn add<T>(&mut self, n: usize) {
        let bytes = n.saturating_mul(size_of::<T>());
        self.0 = self
            .0
            .saturating_add(bytes)
            .saturating_add(align_of::<T>() - 1);
    }

    fn text(&mut self, text: Option<&[u8]>) {
        if let Some(text) = text {
            self.add::<u8>(text.len().saturating_add(1));
        }
    }
}

/// What is left of a block.
struct Carver {
    at: *mut u8,
    left: usize,
}

impl Carver {
    /// Cuts off so many bytes.
    #[inline(never)]
    fn place(&mut self, size: usize, align: usize) -> Option<*mut u8> {
        let pad = (self.at as usize).wrapping_neg() & (align - 1);
        let len = size.checked_add(pad)?;
        self.left = self.left.checked_sub(len)?;
        // SAFETY: there were as many bytes left.
        let place = unsafe { self.at.add(pad) };
        // SAFETY: the same.
        self.at = unsafe { place.add(size) };
        Some(place)
    }

    /// Cuts off `n` values.
    fn take<T: 'static>(&mut self, n: usize, value: impl Fn() -> T) -> Option<&'static mut [T]> {
        let size = n.checked_mul(size_of::<T>())?;
        let place = self.place(size, align_of::<T>())?.cast::<T>();
        for i in 0..n {
            // SAFETY: aligned, and `n` of them fit.
            unsafe { place.add(i).write(value()) };
        }
        // SAFETY: all of them were written, and nobody else has the place.
        Some(unsafe { core::slice::from_raw_parts_mut(place, n) })
    }

    /// Cuts off bytes, which are all zero.
    fn bytes(&mut self, n: usize) -> Option<&'static mut [u8]> {
        let place = self.place(n, 1)?;
        // SAFETY: so many bytes, which `Heap::new` has made zero and nobody else has.
        Some(unsafe { core::slice::from_raw_parts_mut(place, n) })
    }

    /// Cuts off the place for a value.
    fn one<T: 'static>(&mut self) -> Option<&'static mut MaybeUninit<T>> {
        let place = self.place(size_of::<T>(), align_of::<T>())?;
        // SAFETY: aligned, and it fits; nobody else has it, and anything is there.
        Some(unsafe { &mut *place.cast() })
    }

    /// Copies a text, with a NUL behind it.
    fn text(&mut self, text: &[u8]) -> Option<CText> {
        let place = self.bytes(text.len().checked_add(1)?)?;
        copy(place, text);
        Some(CText(place))
    }

    /// Copies two texts, one behind the other.
    fn joined(&mut self, a: &[u8], b: &[u8]) -> Option<CText> {
        let place = self.bytes(a.len().checked_add(b.len())?.checked_add(1)?)?;
        for (to, from) in place.iter_mut().zip(a.iter().chain(b)) {
            *to = *from;
        }
        Some(CText(place))
    }

    /// Copies a text, if there is one: the outer `None` is for a block that is too short.
    #[expect(clippy::option_option, reason = "a lack of room is not a lack of text")]
    fn optional(&mut self, text: Option<&[u8]>) -> Option<Option<CText>> {
        match text {
            Some(text) => self.text(text).map(Some),
            None => Some(None),
        }
    }
}

/// Copies as much as there is room for, without a way to panic.
pub(crate) fn copy(to: &mut [u8], from: &[u8]) {
    let len = to.len().min(from.len());
    // SAFETY: both are at least as long, and only one of them can be written.
    unsafe { ptr::copy_nonoverlapping(from.as_ptr(), to.as_mut_ptr(), len) };
}

/// Moves a part of `bytes` to `to`, if both places are within, without a way to panic.
pub(crate) fn shift(bytes: &mut [u8], from: Range<usize>, to: usize) {
    let Range { start, end } = from;
    if start <= end && end <= bytes.len() && to <= bytes.len() && end - start <= bytes.len() - to {
        let at = bytes.as_mut_ptr();
        // SAFETY: both places are within the bytes.
        unsafe { ptr::copy(at.add(start), at.add(to), end - start) };
    }
}

/// The protocol core, and the buffers that it works in.
pub(crate) struct Core {
    client: mqtt_core::Client<'static>,
    tx: *mut [u8],
    slots: *mut [Slot],
    inbound: *mut [Inbound],
}

impl Core {
    /// Makes a core in its place, without a copy on the stack.
    fn put(
        place: &'static mut MaybeUninit<Self>,
        config: Config<'static>,
        tx: &'static mut [u8],
        slots: &'static mut [Slot],
        inbound: &'static mut [Inbound],
    ) -> &'static mut Self {
        let (tx, slots, inbound) = (&raw mut *tx, &raw mut *slots, &raw mut *inbound);
        let at = place.as_mut_ptr();
        // SAFETY: the place is for it, and these are all of its fields. The buffers were lent for
        // ever, and nobody else has them.
        unsafe {
            (&raw mut (*at).client).write(start(config, tx, slots, inbound));
            (&raw mut (*at).tx).write(tx);
            (&raw mut (*at).slots).write(slots);
            (&raw mut (*at).inbound).write(inbound);
            &mut *at
        }
    }

    /// Begins anew, without a session.
    pub(crate) fn renew(&mut self, config: Config<'static>) {
        // SAFETY: the client before is not used any more, and does nothing when it is dropped.
        self.client = unsafe { start(config, self.tx, self.slots, self.inbound) };
    }
}

/// # Safety
/// The buffers are valid for ever, and no one else uses them.
unsafe fn start(
    config: Config<'static>,
    tx: *mut [u8],
    slots: *mut [Slot],
    inbound: *mut [Inbound],
) -> mqtt_core::Client<'static> {
    // SAFETY: the caller's.
    let (tx, slots, inbound) = unsafe { (&mut *tx, &mut *slots, &mut *inbound) };
    slots.fill(Slot::EMPTY);
    inbound.fill(Inbound::EMPTY);
    mqtt_core::Client::new(config, Buffers::new(tx, slots, inbound))
}

impl Deref for Core {
    type Target = mqtt_core::Client<'static>;

    fn deref(&self) -> &Self::Target {
        &self.client
    }
}

impl DerefMut for Core {
    fn deref_mut(&mut self) -> &mut Self::Target {
        &mut self.client
    }
}

/// Requests share the slots with messages.
const REQUESTS: usize = 4;

/// Room for frames on their way out, besides the handshake's host and path.
const FRAMES: usize = 1024;

/// A client for this configuration, in a block of its own.
pub(crate) fn build(given: &Given<'_>, id: u32) -> Result<&'static mut Client, Failure> {
    let shape = Shape::new(given)?;
    let auth = Auth::new(given.auth_mode)?;
    let endpoint = endpoint(given.uri)?;
    if given
        .client_id
        .is_some_and(|id| str::from_utf8(id).is_err())
    {
        return Err(Failure::CLIENT_ID_UTF8);
    }
    let mut place = [0; 40];
    let client_id = match given.client_id {
        Some(client_id) => client_id,
        None => default_id(port::chip(), port::mac().unwrap_or_default(), &mut place),
    };
    let frames = if endpoint.websocket {
        let twice = endpoint.authority.len().saturating_mul(2);
        FRAMES
            .saturating_add(endpoint.path.len())
            .saturating_add(twice)
    } else {
        0
    };
    let slots = usize::from(shape.window) + REQUESTS;
    let ring = shape.events.saturating_add(Events::SPARE);
    let texts = [
        given.uri,
        Some(endpoint.host.as_bytes()),
        Some(endpoint.authority.as_bytes()),
        Some(endpoint.http().as_bytes()),
        Some(client_id),
        given.username,
        given.password,
        given.ca,
        given.cert,
        given.key,
        given.will_topic,
        given.will_msg,
    ];
    let names = if given.alpn.is_some() {
        given.alpn.iter().count() + 1
    } else {
        0
    };

    let mut plan = Plan(0);
    plan.add::<Client>(1);
    plan.add::<Kept>(1);
    plan.add::<Core>(1);
    plan.add::<Target>(1);
    plan.add::<Option<Event>>(ring);
    plan.add::<*const c_char>(names);
    plan.add::<Slot>(slots);
    plan.add::<Inbound>(shape.inbound());
    plan.add::<u8>(shape.tx);
    plan.add::<u8>(shape.rx);
    plan.add::<u8>(frames);
    for text in texts {
        plan.text(text);
    }
    for name in given.alpn.iter() {
        plan.text(Some(name));
    }

    let block = Heap::new(plan.0).ok_or(Failure::NO_MEMORY)?.into_raw();
    let carver = Carver {
        at: block.as_ptr(),
        left: plan.0,
    };
    let built = carver.client(
        given,
        id,
        &shape,
        auth,
        client_id,
        [names, slots, ring, frames],
    );
    if built.is_none() {
        // SAFETY: nothing was made in it.
        unsafe { port::free(block) };
    }
    built.ok_or(Failure::NO_MEMORY)
}

/// What is large is made by functions of its own, one after the other, so that `init` takes little
/// stack: it may be called by the event task, which has not much.
impl Carver {
    /// Makes everything in the block; `None` if that is too short, which the plan rules out.
    fn client(
        mut self,
        given: &Given<'_>,
        id: u32,
        shape: &Shape,
        auth: Auth,
        client_id: &[u8],
        [names, slots, ring, frames]: [usize; 4],
    ) -> Option<&'static mut Client> {
        // It comes first, so that the block's address is the handle.
        let place = self.one::<Client>()?;
        let kept = self.kept(given, shape, auth, client_id)?;
        let core = self.core(kept, slots, given.has_journal)?;
        let target = self.one::<Target>()?;
        let ring = self.take(ring, || None::<Event>)?;
        let alpn = self.take(names, ptr::null::<c_char>)?;
        let rx = self.bytes(shape.rx)?;
        let frames = self.bytes(frames)?;
        for (to, name) in alpn.iter_mut().zip(given.alpn.iter()) {
            *to = self.text(name)?.as_ptr();
        }
        // The last one stays NULL.
        let alpn = if names == 0 {
            ptr::null()
        } else {
            alpn.as_ptr()
        };
        let target = target.write(Target {
            alpn,
            ..kept.target()
        });
        let buffers = [rx, frames];
        let events = Events::new(ring);
        Some(Client::put(place, id, kept, target, core, buffers, events))
    }

    #[inline(never)]
    fn kept(
        &mut self,
        given: &Given<'_>,
        shape: &Shape,
        auth: Auth,
        client_id: &[u8],
    ) -> Option<&'static Kept> {
        let place = self.one::<Kept>()?;
        let uri = self.text(given.uri?)?;
        let endpoint = endpoint(Some(uri.bytes())).ok()?;
        Some(place.write(Kept {
            uri,
            endpoint,
            host: self.text(endpoint.host.as_bytes())?,
            origin: self.joined(endpoint.http().as_bytes(), endpoint.authority.as_bytes())?,
            client_id: self.text(client_id)?,
            username: self.optional(given.username)?,
            password: self.optional(given.password)?,
            auth,
            ca: self.optional(given.ca)?,
            cert: self.optional(given.cert)?,
            key: self.optional(given.key)?,
            will_topic: self.optional(given.will_topic)?,
            will_msg: self.optional(given.will_msg)?,
            will_qos: given.will_qos,
            will_retain: given.will_retain,
            keep_alive: match given.keep_alive {
                0 => 60,
                seconds => seconds,
            },
            clean_session: given.clean_session,
            debug: given.debug,
            shape: *shape,
        }))
    }

    #[inline(never)]
    fn core(&mut self, kept: &Kept, slots: usize, has_journal: bool) -> Option<&'static mut Core> {
        let place = self.one::<Core>()?;
        let slots = self.take(slots, || Slot::EMPTY)?;
        let inbound = self.take(kept.shape.inbound(), || Inbound::EMPTY)?;
        let tx = self.bytes(kept.shape.tx)?;
        let config = durable(kept.core(), has_journal);
        Some(Core::put(place, config, tx, slots, inbound))
    }
}

/// Frees a client, and the block that it is in.
pub(crate) fn destroy(client: &'static mut Client) {
    let block = NonNull::from(client);
    // SAFETY: it was made in place, and nobody else has it; what it has in the block is not
    // dropped, but for events that wait and payloads that were copied.
    unsafe { block.drop_in_place() };
    // SAFETY: the block begins with the client.
    unsafe { port::free(block.cast()) };
}
