use steeple::{Context, Error, Replies, Result};

use crate::pb::hello::{self as pb, GreetRequest, Greeting};

pub struct Greeter;

impl pb::Greeter for Greeter {
    async fn greet(&self, _cx: Context, request: GreetRequest) -> Result<Greeting> {
        if request.name.is_empty() {
            return Err(Error::invalid("name", "may not be empty"));
        }
        let text = format!("Hello, {}!", request.name);
        Ok(Greeting { text })
    }

    async fn greet_often(&self, _cx: Context, request: GreetRequest) -> Result<Replies<Greeting>> {
        Ok(Replies::produce(move |out| async move {
            for turn in 1..=request.times {
                let text = format!("Hello {turn}, {}!", request.name);
                out.send(Greeting { text }).await?;
            }
            Ok(())
        }))
    }
}
