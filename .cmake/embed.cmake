# embed_text(TARGET NAME FILE...): compile text files, one after the other, into the target as `const char NAME[]` and `const size_t NAME_len`.
function(embed_text target name)
	set(hex "")
	foreach(file ${ARGN})
		file(READ ${file} one HEX)
		string(APPEND hex ${one})
	endforeach()
	string(REGEX REPLACE "(..)" "0x\\1," bytes "${hex}")
	string(REGEX REPLACE "(................................................................................)" "\\1\n" bytes "${bytes}")
	file(CONFIGURE OUTPUT ${CMAKE_CURRENT_BINARY_DIR}/${name}.c @ONLY CONTENT
"#include <stddef.h>
extern const char @name@[];
extern const size_t @name@_len;
const char @name@[] = {
@bytes@
0};
const size_t @name@_len = sizeof(@name@) - 1;
")
	target_sources(${target} PRIVATE ${CMAKE_CURRENT_BINARY_DIR}/${name}.c)
	set_property(DIRECTORY APPEND PROPERTY CMAKE_CONFIGURE_DEPENDS ${ARGN})
endfunction()
