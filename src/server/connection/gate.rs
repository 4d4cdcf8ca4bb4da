//! Between the dispatcher and the application: tells the connection's state of each request and answer,
//! and says which answer is the last.

use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll};

use actix_http::body::{BodySize, BoxBody, MessageBody};
use actix_http::{ConnectionType, Request, Response};
use bytes::Bytes;

use super::framing::BodyFraming;
use super::phase::{ConnectionState, Phase};

/// A request begins: its body may be read.
pub(super) fn begin(request: &Request) -> Rc<ConnectionState> {
    let state = request.conn_data::<Rc<ConnectionState>>();
    let state = state.expect("every connection is given its state").clone();
    state.begin(BodyFraming::of(request));
    state
}

/// An answer was made. Errors close: whoever was refused comes again by a new connection, which can be
/// refused more cheaply.
pub(super) fn end(
    state: Rc<ConnectionState>,
    mut response: Response<BoxBody>,
) -> Response<AnswerBody> {
    let status = response.status();
    let is_error = status.is_client_error() || status.is_server_error();
    if is_error || state.is_last() {
        response.head_mut().set_connection_type(ConnectionType::Close);
        state.enter(Phase::Closing);
    } else {
        state.entry.serve();
    }
    response.map_body(|_, body| AnswerBody { body, state })
}

/// The body of an answer; when the dispatcher lets go of it, the answer is encoded.
pub(super) struct AnswerBody {
    body: BoxBody,
    state: Rc<ConnectionState>,
}

impl MessageBody for AnswerBody {
    type Error = <BoxBody as MessageBody>::Error;

    fn size(&self) -> BodySize {
        self.body.size()
    }

    fn poll_next(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Bytes, Self::Error>>> {
        self.body.as_pin_mut().poll_next(context)
    }
}

impl Drop for AnswerBody {
    fn drop(&mut self) {
        self.state.answer_encoded();
    }
}
