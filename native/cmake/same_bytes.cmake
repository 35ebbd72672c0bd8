# SPDX-License-Identifier: Apache-2.0
# Included by the first project() of every native target.
#
# A header's __FILE__ is the include folder as written plus its name. ccache writes `vendor/x/..` as `vendor`, the compiler
# alone does not, so a build with ccache differed from one without in an assertion's text: every folder is written plainly.

function(kiln_plain_include_folders)
  set(folders "${CMAKE_SOURCE_DIR}")
  while(folders)
    list(POP_FRONT folders folder)
    get_property(inner DIRECTORY "${folder}" PROPERTY SUBDIRECTORIES)
    get_property(targets DIRECTORY "${folder}" PROPERTY BUILDSYSTEM_TARGETS)
    list(APPEND folders ${inner})
    foreach(target IN LISTS targets)
      foreach(property INCLUDE_DIRECTORIES INTERFACE_INCLUDE_DIRECTORIES)
        get_property(text TARGET ${target} PROPERTY ${property})
        kiln_plain(text)
        set_property(TARGET ${target} PROPERTY ${property} "${text}")
      endforeach()
    endforeach()
  endwhile()
endfunction()

# A list of absolute folders, generator expressions among them: `/a/b/..` becomes `/a`, `/a/.` becomes `/a`.
function(kiln_plain name)
  set(text "${${name}}")
  set(before "")
  while(NOT text STREQUAL before)
    set(before "${text}")
    string(REGEX REPLACE "/\\.(/|;|>|$)" "\\1" text "${text}")
    string(REGEX REPLACE "/[^/;<>]*[^/;<>.][^/;<>]*/\\.\\.(/|;|>|$)" "\\1" text "${text}")
  endwhile()
  set(${name} "${text}" PARENT_SCOPE)
endfunction()

cmake_language(DEFER CALL kiln_plain_include_folders)
