//! Between the dispatcher and the application: tells the connection's state of each request and answer,
//! refuses what would never end, and says which answer is the last.

use std::future::poll_fn;
use std::pin::{Pin, pin};
use std::rc::Rc;
use std::task::{Context, Poll};

use actix_http::body::{BodySize, BoxBody, MessageBody};
use actix_http::{ConnectionType, Request, Response};
use actix_web::http::StatusCode;
use bytes::Bytes;

use super::framing::{BodyFraming, is_tunnel};
use super::phase::ConnectionState;
use crate::http_problem::problem;

/// A request begins: its body may be read.
pub(super) fn begin(request: &Request) -> Rc<ConnectionState> {
    let state = request.conn_data::<Rc<ConnectionState>>();
    let state = state.expect("every connection is given its state").clone();
    // An offer to go on in another protocol is left alone, but actix will not go on with this one.
    let client_ends = request.head().connection_type() != ConnectionType::KeepAlive;
    state.begin(BodyFraming::of(request), client_ends);
    state
}

/// The answer to who wants to speak something else than HTTP: nothing else would ever end.
pub(super) fn refuse_tunnel(request: &Request) -> Option<Response<BoxBody>> {
    let refused = || problem(StatusCode::NOT_IMPLEMENTED, "connections stay with HTTP/1.1 here");
    is_tunnel(request).then(|| refused().into())
}

/// The answer, or 408 in its place if the body that it waits for does not come in time. The connection is
/// looked at every second, and with it this.
pub(super) async fn in_time(
    state: &ConnectionState,
    answer: impl Future<Output = Response<BoxBody>>,
) -> Response<BoxBody> {
    let mut answer = pin!(answer);
    let late = || problem(StatusCode::REQUEST_TIMEOUT, "the body took too long to arrive").into();
    poll_fn(|context| match answer.as_mut().poll(context) {
        Poll::Pending if state.is_body_late() => Poll::Ready(late()),
        answer => answer,
    })
    .await
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
        state.end();
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
