/// Places of yours that are written to.
#pragma once

#include <cstddef>
#include <iterator>
#include <type_traits>
#include <utility>

namespace aipool {
inline namespace v0 {

/// So many places in a row, borrowed: a pointer and a size, from an array, a vector, a string, a std::span and the like.
/// A span of char takes unsigned char and std::byte too. Copied freely; for one thread at a time. No errors. Since 0.1.
template <class T>
class span {
    template <class Place>
    static constexpr bool is_place = std::is_same_v<Place, T> || (sizeof(T) == 1 && sizeof(Place) == 1 &&
                                                                  !std::is_const_v<Place> && std::is_trivial_v<Place>);
    template <class Many>
    using places_of = std::remove_pointer_t<decltype(std::data(std::declval<Many&>()))>;

public:
    /// `count` places at `first`. Since 0.1.
    template <class Place, class = std::enable_if_t<is_place<Place>>>
    span(Place* first, std::size_t count) noexcept : data_(reinterpret_cast<T*>(first)), size_(count)
    {
    }

    /// All places of `many`, which must outlive the span. Since 0.1.
    template <class Many, class = std::enable_if_t<is_place<places_of<Many>>>>
    span(Many&& many) noexcept : span(std::data(many), std::size(many))
    {
    }

    /// The first place. Since 0.1.
    T* data() const noexcept { return data_; }

    /// How many places there are. Since 0.1.
    std::size_t size() const noexcept { return size_; }

private:
    T* data_;
    std::size_t size_;
};

}  // namespace v0
}  // namespace aipool
