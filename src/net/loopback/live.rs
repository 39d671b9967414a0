//! The lab left running: its events as they come, until somebody wants something of it.

use crate::event::Event;
use crate::net::orders::{Order, Orders};

use super::Loopback;

impl Loopback {
    /// Listens to the process's signals and to its stdin from now on. `at_once` is called with the
    /// number of a signal after the first: it ends the process.
    pub fn orders(&self, at_once: fn(i32)) -> Orders {
        let _inside = self.runtime.enter();
        Orders::listen(at_once)
    }

    /// Tells what happens until there is an order.
    pub fn listen(&mut self, orders: &mut Orders, events: &mut dyn FnMut(Event)) -> Order {
        let received = &mut self.received;
        self.runtime.block_on(async {
            loop {
                tokio::select! {
                    // A crowd of clients does not keep the lab from its orders.
                    biased;
                    order = orders.next() => return order,
                    Some(event) = received.recv() => events(event),
                }
            }
        })
    }

    /// Closes all sockets, and tells what had happened until then.
    pub fn close(&mut self, events: &mut dyn FnMut(Event)) {
        for sockets in self.nodes.values_mut() {
            self.runtime.block_on(sockets.close());
        }
        while let Ok(event) = self.received.try_recv() {
            events(event);
        }
    }
}
