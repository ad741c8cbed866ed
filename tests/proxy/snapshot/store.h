// A real store, with a test's client of it and a connection as the proxy has them.
#pragma once

#include <gtest/gtest.h>

#include <memory>
#include <utility>

#include "proxy/backend/interrupt.h"
#include "proxy/backend/store_client.h"
#include "tests/support/redis_client.h"
#include "tests/support/redis_server.h"

namespace crossfade::proxy {

struct Store {
  explicit Store(std::shared_ptr<test::RedisServer> of = std::make_shared<test::RedisServer>())
      : server(std::move(of)), client(server->port()), connection(Connect()) {}

  StoreClient Connect() {
    config::Endpoint endpoint;
    endpoint.host = "127.0.0.1";
    endpoint.port = server->port();
    auto made = StoreClient::Connect(StoreLink("legacy", endpoint), std::chrono::seconds(20),
                                     interrupt, std::chrono::seconds(60));
    EXPECT_TRUE(made) << made.error().message;
    return std::move(*made);
  }

  std::shared_ptr<test::RedisServer> server;
  test::RedisClient client;
  Interrupt interrupt;
  StoreClient connection;
};

}  // namespace crossfade::proxy
