// What the engine asks of the operating system and nobody else does, with what to do where there is
// none of it; the rest is in device/system.h.
#pragma once
#include <atomic>
#include <cstdint>
#include <functional>
#include <thread>

namespace heddle::engine::system {

// Sleeps while `word` is `value`. May return for no reason.
void sleep_while(std::atomic<int>& word, int value);
void wake(std::atomic<int>& word, int most);

// Whether barrier_on_all_threads() will do anything. To be called first, and in the child of a
// fork.
bool set_up_barriers();
// Makes what all threads of the process wrote visible to this one, and the other way round.
void barrier_on_all_threads();

// A thread that takes no signals: they are for the threads of the program.
std::thread start_thread(std::function<void()> body);
bool is_main_thread();  // false where that is not known

}  // namespace heddle::engine::system
