//! Requests to the kernel, answered while they are sent, and answers in parts (`netlink_rcv_skb`, `netlink_dump`).

use super::answer::{self, Answer, Pending, Refusal, Style};
use super::socket::{KERNEL, NetlinkSocket};
use super::wire::{Request, Requests};
use super::{diag, route};
use crate::net::{Held, Protocol};
use crate::{Errno, Result};
use alloc::vec::Vec;
use linux_raw_sys::netlink as nl;

/// Requests below this number are not for a protocol (`NLMSG_MIN_TYPE`).
const FIRST_KIND: u16 = 16;
/// Parts of an answer are not longer than this, and so long at first (`NLMSG_GOODSIZE`).
const PART_FIRST: usize = 3776;
const PART_MAX: usize = (32 << 10) - 320;

impl NetlinkSocket {
    fn style(&self, portid: u32) -> Style {
        let options = self.state.lock().options;
        let on = |name: u32| options & 1 << name != 0;
        Style {
            portid,
            strict: on(nl::NETLINK_GET_STRICT_CHK),
            words: on(nl::NETLINK_EXT_ACK),
            capped: on(nl::NETLINK_CAP_ACK),
        }
    }

    /// Adds what the kernel answers. What finds no room is lost, and that is told (`netlink_overrun`).
    fn answer(&self, bytes: Vec<u8>) -> Result<()> {
        if !self.push(0, 0, Held::new(bytes)?, KERNEL) {
            self.overrun();
        }
        Ok(())
    }

    /// Requests to the kernel (`netlink_rcv_skb`).
    pub(super) fn ask(&self, portid: u32, bytes: &[u8]) -> Result<()> {
        let handle: fn(&Request<'_>, Style) -> core::result::Result<Answer, Refusal> =
            match self.sock().protocol as u32 {
                nl::NETLINK_ROUTE => route::handle,
                nl::NETLINK_SOCK_DIAG => diag::handle,
                // Nobody listens there.
                nl::NETLINK_KOBJECT_UEVENT => return Ok(()),
                _ => return Err(Errno::CONNREFUSED),
            };
        let style = self.style(portid);
        for request in Requests(bytes) {
            let for_us = request.flags & nl::NLM_F_REQUEST as u16 != 0 && request.kind >= FIRST_KIND;
            let outcome = if for_us { handle(&request, style) } else { Ok(Answer::Done) };
            let refusal = match outcome {
                // The end of the answer is its acknowledgement.
                Ok(Answer::Many(dump)) => match self.begin(style, &request, dump) {
                    Ok(()) => continue,
                    Err(errno) => Some(Refusal::from(errno)),
                },
                Ok(Answer::One(reply)) => {
                    self.answer(answer::single(style, &request, &reply))?;
                    None
                }
                Ok(Answer::Done) => None,
                Err(refusal) => Some(refusal),
            };
            if refusal.is_some() || request.flags & nl::NLM_F_ACK as u16 != 0 {
                self.answer(answer::acknowledge(style, &request, refusal.as_ref()))?;
            }
        }
        Ok(())
    }

    /// Begins to answer in parts.
    ///
    /// # Errors
    /// `EBUSY` while another such answer was not received.
    fn begin(
        &self,
        style: Style,
        request: &Request<'_>,
        dump: core::result::Result<answer::Dump, Refusal>,
    ) -> Result<()> {
        let pending = Pending::new(style, request, dump)?;
        {
            let mut state = self.state.lock();
            if state.pending.is_some() {
                return Err(Errno::BUSY);
            }
            state.pending = Some(pending);
        }
        self.go_on()
    }

    /// Moves the next part of an answer into the queue (`netlink_dump`).
    pub(super) fn go_on(&self) -> Result<()> {
        let part = {
            let mut state = self.state.lock();
            if state.used > self.sock().options.receive_buffer() / 2 {
                return Ok(());
            }
            let room = state.room.clamp(PART_FIRST, PART_MAX);
            let Some(pending) = &mut state.pending else { return Ok(()) };
            let (part, last) = pending.next_part(room);
            let done = if last { state.pending.take() } else { None };
            drop(state);
            drop(done);
            part
        };
        self.answer(part)
    }
}
