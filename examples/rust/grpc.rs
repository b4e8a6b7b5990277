//! gRPC: a breaker that knows which status codes are the server's fault.

use fuseboard::{CallError, CircuitBreaker, CircuitBreakerConfig, Pipeline, Verdict};
use tonic::{Code, Response, Status};

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), fuseboard::PipelineError> {
    let config = CircuitBreakerConfig {
        minimum_requests: 2,
        ..Default::default()
    };
    let by_code = |result: Result<&Response<u32>, &Status>| match result {
        Ok(_) => Verdict::SUCCESS,
        Err(status) => Verdict::from_grpc_code(status.code() as i32),
    };
    let pipeline = Pipeline::builder()
        .classify(by_code)
        .breaker(CircuitBreaker::new("greeter", config))
        .build()?;
    // In a program: `pipeline.call(|| client.clone().say_hello(request.clone()))`.
    for code in [
        Code::NotFound,
        Code::NotFound,
        Code::Unavailable,
        Code::Unavailable,
        Code::Ok,
    ] {
        let end = pipeline
            .call(async || Err(Status::new(code, "from the server")))
            .await;
        match end {
            Err(CallError::OperationFailed(status)) => println!("{:?}", status.code()),
            Err(error) => println!("{error}"),
            Ok(_) => println!("Ok"),
        }
    }
    Ok(())
}
