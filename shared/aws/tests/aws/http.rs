//! What carries the requests of the tests' own clients: a new connection for each.

use aws_smithy_runtime_api::client::http::{
    HttpConnector, HttpConnectorFuture, SharedHttpClient, SharedHttpConnector, http_client_fn,
};
use aws_smithy_runtime_api::client::orchestrator::{HttpRequest, HttpResponse};
use aws_smithy_types::body::SdkBody;
use hyper_util::client::legacy::Client;
use hyper_util::rt::TokioExecutor;

pub(crate) fn http() -> SharedHttpClient {
    http_client_fn(|_, _| SharedHttpConnector::new(Plain))
}

#[derive(Debug)]
struct Plain;

impl HttpConnector for Plain {
    fn call(&self, request: HttpRequest) -> HttpConnectorFuture {
        let answer = Client::builder(TokioExecutor::new()).build_http().request(request.try_into_http1x().unwrap());
        HttpConnectorFuture::new(async {
            Ok(HttpResponse::try_from(answer.await.unwrap().map(SdkBody::from_body_1_x)).unwrap())
        })
    }
}
