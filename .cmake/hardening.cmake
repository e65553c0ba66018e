# Warnings and hardening, applied to every target of ours through one interface library.
add_library(jobgate_hardening INTERFACE)
target_compile_options(jobgate_hardening INTERFACE
	-Wall -Wextra -Werror -Wshadow -Wstrict-prototypes -Wmissing-prototypes -Wpointer-arith
	-Wvla -Wformat=2 -Wno-missing-field-initializers
	-fstack-protector-strong -fno-common -fno-strict-aliasing)
if(CMAKE_SYSTEM_PROCESSOR MATCHES "x86_64|amd64")
	target_compile_options(jobgate_hardening INTERFACE -fcf-protection=full)
endif()
if(CMAKE_C_COMPILER_ID STREQUAL "GNU")
	target_compile_options(jobgate_hardening INTERFACE -fstack-clash-protection)
endif()
# Fortify needs an optimising build, and hides from the sanitizers what they look for.
# The simulator stands in for the plain calls, not for the checked ones that fortify makes of them.
if(NOT JOBGATE_SANITIZE AND NOT JOBGATE_SIM)
	target_compile_options(jobgate_hardening INTERFACE
		$<$<NOT:$<CONFIG:Debug>>:-U_FORTIFY_SOURCE> $<$<NOT:$<CONFIG:Debug>>:-D_FORTIFY_SOURCE=3>)
endif()
target_link_options(jobgate_hardening INTERFACE -Wl,-z,relro -Wl,-z,now -Wl,-z,noexecstack)
if(JOBGATE_SANITIZE)
	target_compile_options(jobgate_hardening INTERFACE
		-fsanitize=${JOBGATE_SANITIZE} -fno-omit-frame-pointer -fno-sanitize-recover=all)
	target_link_options(jobgate_hardening INTERFACE -fsanitize=${JOBGATE_SANITIZE})
	# The fences of a seqlock between processes, which ThreadSanitizer cannot follow anyway.
	if(JOBGATE_SANITIZE MATCHES "thread" AND CMAKE_C_COMPILER_ID STREQUAL "GNU")
		target_compile_options(jobgate_hardening INTERFACE -Wno-tsan)
	endif()
endif()
