// SPDX-License-Identifier: MIT
// The library from C++17: owners that free by themselves, failures as exceptions, and a storage class with members. This
// is all that is needed; copy what you like. Exceptions must not pass through C, so the callback turns them into codes.
#include <crashcollect.h>

#include <cerrno>
#include <fstream>
#include <iostream>
#include <memory>
#include <stdexcept>
#include <string>
#include <system_error>

namespace {

template <auto Free> struct Deleter {
    template <typename T> void operator()(T *object) const { Free(object); }
};
using Collector = std::unique_ptr<ccol_collector, Deleter<ccol_collector_free>>;
using Storage = std::unique_ptr<ccol_storage, Deleter<ccol_storage_unref>>;
using Report = std::unique_ptr<ccol_report, Deleter<ccol_report_unref>>;

template <typename Options> Options with_size()
{
    Options options{};
    options.size = sizeof(options);
    return options;
}

// Calls a function that takes a ccol_error last.
template <typename Function, typename... Arguments> void call(Function function, Arguments... arguments)
{
    ccol_error err{};
    if (function(arguments..., &err) < 0) throw std::runtime_error(err.text);
}

class FolderStorage {
  public:
    explicit FolderStorage(std::string folder) : folder_(std::move(folder)) {}

    void save(const ccol_report *report) const
    {
        std::ofstream file(folder_ + "/" + ccol_report_id(report), std::ios::binary);
        file << ccol_report_json(report, nullptr) << '\n';
        auto dump = with_size<ccol_file>();
        for (size_t i = 0; ccol_report_file_at(report, i, &dump); i++)
            file.write(static_cast<const char *>(dump.data), static_cast<std::streamsize>(dump.length));
        if (!file.flush()) throw std::system_error(EIO, std::generic_category(), "cannot write its file");
    }

    // The C storage owns the object, and deletes it after the last call.
    static Storage make(std::string folder)
    {
        auto ops = with_size<ccol_storage_ops>();
        ops.name = "folder";
        ops.save = [](void *self, const ccol_report *report, ccol_error *err) {
            try {
                static_cast<FolderStorage *>(self)->save(report);
                return 0;
            } catch (const std::system_error &error) {
                return ccol_fail(err, -error.code().value(), "%s", error.what());
            } catch (const std::exception &error) {
                return ccol_fail(err, -EIO, "%s", error.what());
            }
        };
        ops.destroy = [](void *self) { delete static_cast<FolderStorage *>(self); };
        auto object = std::make_unique<FolderStorage>(std::move(folder));
        ccol_storage *storage = nullptr;
        call(ccol_storage_new, &storage, &ops, static_cast<void *>(object.get()));
        (void)object.release();
        return Storage(storage);
    }

  private:
    std::string folder_;
};

} // namespace

int main()
try {
    Storage storage = FolderStorage::make(".");
    auto options = with_size<ccol_collector_options>();
    options.storage = storage.get();
    options.spool_dir = "spool";
    ccol_collector *made = nullptr;
    call(ccol_collector_new, &made, &options);
    Collector collector(made);

    Report report(ccol_report_new());
    ccol_report_annotate(report.get(), "ProductName", "Demo");
    ccol_report_add_file(report.get(), "upload_file_minidump", "MDMP and so on", 14);
    auto receipt = with_size<ccol_receipt>();
    call(ccol_collector_submit, collector.get(), report.get(), &receipt);
    std::cout << "CrashID=" << receipt.crash_id << std::endl;
    return ccol_collector_drain(collector.get(), 5000) == 0 ? 0 : 1;
} catch (const std::exception &error) {
    std::cerr << error.what() << std::endl;
    return 1;
}
