# SPDX-License-Identifier: MIT
# The four Debian packages, for cpack; build.sh beside this file sets what makes them reproducible.
#   libcrashcollect0, libcrashcollect-dev, crashcollect (the programs), python3-crashcollect
set(CCOL_DEBIAN ${PROJECT_SOURCE_DIR}/pkgconfig/debian)
set(CPACK_GENERATOR DEB)
set(CPACK_PACKAGE_NAME crashcollect)
set(CPACK_PACKAGE_VERSION ${PROJECT_VERSION})
set(CCOL_PACKAGER "The libcrashcollect authors <libcrashcollect@example.org>" CACHE STRING "Who answers for the packages")
set(CPACK_PACKAGE_CONTACT ${CCOL_PACKAGER})
set(CPACK_DEBIAN_PACKAGE_RELEASE 1)
set(CPACK_DEBIAN_FILE_NAME DEB-DEFAULT)
set(CPACK_DEB_COMPONENT_INSTALL ON)
set(CPACK_COMPONENTS_ALL library dev programs python)
set(CPACK_COMPONENTS_GROUPING IGNORE)
set(CPACK_PACKAGING_INSTALL_PREFIX /usr)
set(CPACK_STRIP_FILES ON)
set(CPACK_DEBIAN_PACKAGE_SHLIBDEPS ON)
set(CPACK_DEBIAN_PACKAGE_SHLIBDEPS_PRIVATE_DIRS ${PROJECT_BINARY_DIR}/lib)
set(CPACK_PRE_BUILD_SCRIPTS ${CCOL_DEBIAN}/compress_pages.cmake)
set(CPACK_DEBIAN_PACKAGE_GENERATE_SHLIBS ON)
set(CPACK_DEBIAN_PACKAGE_CONTROL_STRICT_PERMISSION ON)
set(CPACK_DEBIAN_PACKAGE_SECTION utils)
set(CPACK_INSTALL_DEFAULT_DIRECTORY_PERMISSIONS OWNER_READ OWNER_WRITE OWNER_EXECUTE GROUP_READ GROUP_EXECUTE
  WORLD_READ WORLD_EXECUTE)

set(CCOL_SONAME_PACKAGE libcrashcollect${PROJECT_VERSION_MAJOR})
set(CCOL_EXACTLY "(= ${PROJECT_VERSION}-${CPACK_DEBIAN_PACKAGE_RELEASE})")
set(CPACK_DEBIAN_LIBRARY_PACKAGE_NAME ${CCOL_SONAME_PACKAGE})
set(CPACK_DEBIAN_LIBRARY_PACKAGE_SECTION libs)
set(CPACK_DEBIAN_LIBRARY_PACKAGE_CONTROL_EXTRA ${CCOL_DEBIAN}/triggers)
set(CPACK_COMPONENT_LIBRARY_DESCRIPTION "crash report collector, shared library
Takes crash reports of Breakpad, Crashpad, Electron and Firefox clients,
makes them durable before it answers, and hands them to storages.")
set(CPACK_DEBIAN_DEV_PACKAGE_NAME libcrashcollect-dev)
set(CPACK_DEBIAN_DEV_PACKAGE_SECTION libdevel)
set(CPACK_DEBIAN_DEV_PACKAGE_DEPENDS "${CCOL_SONAME_PACKAGE} ${CCOL_EXACTLY}")
set(CPACK_DEBIAN_DEV_PACKAGE_SUGGESTS
  "libbrotli-dev, libcurl4-openssl-dev, libisal-dev, libmicrohttpd-dev, libssl-dev, libyajl-dev, libzstd-dev, pkg-config, zlib1g-dev")
set(CPACK_COMPONENT_DEV_DESCRIPTION "crash report collector, development files
Headers, static library, pkg-config and CMake files of libcrashcollect.")
set(CPACK_DEBIAN_PROGRAMS_PACKAGE_NAME crashcollect)
set(CPACK_DEBIAN_PROGRAMS_PACKAGE_SECTION net)
set(CPACK_DEBIAN_PROGRAMS_PACKAGE_DEPENDS "${CCOL_SONAME_PACKAGE} ${CCOL_EXACTLY}")
set(CPACK_DEBIAN_PROGRAMS_PACKAGE_CONTROL_EXTRA ${CCOL_DEBIAN}/postinst ${CCOL_DEBIAN}/prerm ${CCOL_DEBIAN}/postrm)
set(CPACK_COMPONENT_PROGRAMS_DESCRIPTION "crash report collector, programs
crashcollectd, a daemon that takes crash reports as Antenna does,
crashcollect-run, which watches any program from outside, and units.")
set(CPACK_DEBIAN_PYTHON_PACKAGE_NAME python3-crashcollect)
set(CPACK_DEBIAN_PYTHON_PACKAGE_SECTION python)
set(CPACK_DEBIAN_PYTHON_PACKAGE_ARCHITECTURE all)
set(CPACK_DEBIAN_PYTHON_PACKAGE_SHLIBDEPS OFF)
set(CPACK_DEBIAN_PYTHON_PACKAGE_CONTROL_EXTRA ${CCOL_DEBIAN}/python/postinst ${CCOL_DEBIAN}/python/prerm)
set(CPACK_DEBIAN_PYTHON_PACKAGE_DEPENDS
  "python3:any, ${CCOL_SONAME_PACKAGE} (>= ${PROJECT_VERSION}), ${CCOL_SONAME_PACKAGE} (<< ${PROJECT_VERSION_MAJOR}.${PROJECT_VERSION_MINOR}.999)")
set(CPACK_COMPONENT_PYTHON_DESCRIPTION "crash report collector, Python 3 module
libcrashcollect from Python: collectors, storage classes and publishers of
your own, WSGI and ASGI adapters.")

# What Debian wants of every package: its licence, and its changelog compressed without a time stamp.
file(WRITE ${CMAKE_CURRENT_BINARY_DIR}/changelog.Debian "crashcollect (${PROJECT_VERSION}-1) bookworm; urgency=medium\n
  * See /usr/share/doc/libcrashcollect-dev/changelog.gz.\n
 -- ${CPACK_PACKAGE_CONTACT}  @CCOL_DATE@\n")
find_program(CCOL_GZIP gzip REQUIRED)
find_program(CCOL_DATE_PROGRAM date REQUIRED)
if(DEFINED ENV{SOURCE_DATE_EPOCH})
  execute_process(COMMAND ${CCOL_DATE_PROGRAM} -u -R -d @$ENV{SOURCE_DATE_EPOCH} OUTPUT_VARIABLE CCOL_DATE OUTPUT_STRIP_TRAILING_WHITESPACE)
else()
  execute_process(COMMAND ${CCOL_DATE_PROGRAM} -u -R OUTPUT_VARIABLE CCOL_DATE OUTPUT_STRIP_TRAILING_WHITESPACE)
endif()
configure_file(${CMAKE_CURRENT_BINARY_DIR}/changelog.Debian ${CMAKE_CURRENT_BINARY_DIR}/changelog.Debian.text @ONLY)
function(ccol_gzip from to)
  execute_process(COMMAND ${CCOL_GZIP} -9nc ${from} OUTPUT_FILE ${to} COMMAND_ERROR_IS_FATAL ANY)
endfunction()
ccol_gzip(${CMAKE_CURRENT_BINARY_DIR}/changelog.Debian.text ${CMAKE_CURRENT_BINARY_DIR}/changelog.Debian.gz)
ccol_gzip(${PROJECT_SOURCE_DIR}/CHANGELOG.md ${CMAKE_CURRENT_BINARY_DIR}/changelog.gz)
foreach(component library dev programs python)
  string(TOUPPER ${component} upper)
  set(folder share/doc/${CPACK_DEBIAN_${upper}_PACKAGE_NAME})
  install(FILES ${CCOL_DEBIAN}/copyright ${CMAKE_CURRENT_BINARY_DIR}/changelog.Debian.gz DESTINATION ${folder}
    COMPONENT ${component})
endforeach()
install(FILES ${CMAKE_CURRENT_BINARY_DIR}/changelog.gz DESTINATION share/doc/libcrashcollect-dev COMPONENT dev)
install(DIRECTORY ${PROJECT_SOURCE_DIR}/bindings/python/crashcollect DESTINATION lib/python3/dist-packages
  COMPONENT python FILES_MATCHING PATTERN "*.py" PATTERN "py.typed" PATTERN "__pycache__" EXCLUDE)
file(WRITE ${CMAKE_CURRENT_BINARY_DIR}/METADATA
  "Metadata-Version: 2.1\nName: crashcollect\nVersion: ${PROJECT_VERSION}\nSummary: libcrashcollect from Python\nLicense: MIT\n")
install(FILES ${CMAKE_CURRENT_BINARY_DIR}/METADATA DESTINATION
  lib/python3/dist-packages/crashcollect-${PROJECT_VERSION}.dist-info COMPONENT python)
install(FILES ${PROJECT_SOURCE_DIR}/bindings/python/examples/flask_app.py ${PROJECT_SOURCE_DIR}/bindings/python/examples/fastapi_app.py
  DESTINATION share/doc/python3-crashcollect/examples COMPONENT python)
file(GLOB CCOL_EXAMPLE_SOURCES CONFIGURE_DEPENDS ${PROJECT_SOURCE_DIR}/examples/*.c ${PROJECT_SOURCE_DIR}/examples/*.cpp)
install(FILES ${CCOL_EXAMPLE_SOURCES} DESTINATION share/doc/libcrashcollect-dev/examples COMPONENT dev)
include(CPack)
